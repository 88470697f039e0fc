mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { insecure_value = "ami-debian12" }
  }
}

variables {
  vpc_id            = "vpc-1"
  subnet_id         = "subnet-1"
  emailproxy_config = "[IMAP-1993]\nprovider = office365\n\n[a@example.com]\nprovider = office365\nclient_id = x\n"
  cache_store       = "aws:mail/proxy/?region=eu-central-1"
  extras            = ["aws"]
  ports             = [1993, 1587]
  client_ranges     = ["10.0.0.0/16", "2001:db8::/32"]
}

run "no_way_in_but_for_mail" {
  command = apply
  assert {
    condition     = aws_instance.this.associate_public_ip_address == false && aws_instance.this.metadata_options[0].http_tokens == "required" && aws_instance.this.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "The machine has a public address, or gives its credentials to who asks."
  }
  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.mail)) == toset(["1587 from 10.0.0.0/16", "1993 from 10.0.0.0/16", "1587 from 2001:db8::/32", "1993 from 2001:db8::/32"])
    error_message = "Other ports are open, or for others."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.mail["1993 from 2001:db8::/32"].cidr_ipv6 == "2001:db8::/32" && aws_vpc_security_group_ingress_rule.mail["1993 from 2001:db8::/32"].cidr_ipv4 == null
    error_message = "An IPv6 network is taken for one of IPv4."
  }
  assert {
    condition     = aws_instance.this.root_block_device[0].encrypted && aws_instance.this.ami == "ami-debian12"
    error_message = "The disk is not encrypted, or the image another one."
  }
  assert {
    condition     = length(aws_iam_role_policy.tokens) == 0
    error_message = "The role issues tokens that nobody asked for."
  }
}

run "starts_with_the_configuration" {
  command = apply
  variables {
    issue_web_identity_tokens = true
    session_manager           = false
    role_policy_arns          = { store = "arn:aws:iam::123456789012:policy/store" }
    ami_id                    = "ami-own"
  }
  assert {
    condition     = aws_instance.this.user_data_base64 == base64gzip(output.user_data) && strcontains(output.user_data, base64encode(var.emailproxy_config))
    error_message = "The machine gets other user data."
  }
  assert {
    condition     = yamldecode(output.user_data).runcmd[0] == ["/usr/local/sbin/emailproxy-install", "emailproxy-cloud", "aws", "1587", "1993"]
    error_message = "The user data does not install what it should."
  }
  assert {
    condition     = length(aws_iam_role_policy.tokens) == 1 && toset(keys(aws_iam_role_policy_attachment.this)) == toset(["store"])
    error_message = "The role has other policies."
  }
  assert {
    condition     = length(data.aws_ssm_parameter.image) == 0
    error_message = "Debian is looked up although an image is given."
  }
}

run "refuses_the_whole_internet" {
  command = plan
  variables {
    client_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.client_ranges]
}

run "refuses_a_range_that_is_none" {
  command = plan
  variables {
    client_ranges = ["office"]
  }
  expect_failures = [var.client_ranges]
}

run "refuses_a_configuration_that_serves_nothing" {
  command = plan
  variables {
    emailproxy_config = "[a@example.com]\n"
  }
  expect_failures = [var.emailproxy_config]
}

run "refuses_a_secret_in_the_user_data" {
  command = plan
  variables {
    emailproxy_config = "[IMAP-1993]\n[a@example.com]\nclient_secret = the-secret\n"
  }
  expect_failures = [var.emailproxy_config]
}

run "refuses_tokens_on_the_machine" {
  command = plan
  variables {
    cache_store = "file:/var/lib/emailproxy/tokens"
  }
  expect_failures = [var.cache_store]
}

run "refuses_a_package_that_is_a_command" {
  command = plan
  variables {
    package = "emailproxy-cloud; reboot"
  }
  expect_failures = [var.package]
}

run "refuses_no_port" {
  command = plan
  variables {
    ports = []
  }
  expect_failures = [var.ports]
}

run "refuses_another_architecture" {
  command = plan
  variables {
    architecture = "x86"
  }
  expect_failures = [var.architecture]
}

run "refuses_a_bad_name" {
  command = plan
  variables {
    name = "proxy_1"
  }
  expect_failures = [var.name]
}
