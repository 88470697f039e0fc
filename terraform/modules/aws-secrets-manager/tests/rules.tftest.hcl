mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
}

variables {
  prefix     = "mail/proxy/"
  role_names = ["mail-proxy"]
}

run "scoped_to_the_prefix" {
  command = apply
  assert {
    condition     = data.aws_iam_policy_document.store.statement[0].resources == toset(["arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail/proxy/*"])
    error_message = "The policy reaches beyond the prefix."
  }
  assert {
    condition     = !anytrue([for action in data.aws_iam_policy_document.store.statement[0].actions : strcontains(action, "Delete") || strcontains(action, "List") || strcontains(action, "*")])
    error_message = "The proxy may delete or list."
  }
  assert {
    condition     = contains(data.aws_iam_policy_document.store.statement[0].actions, "secretsmanager:CreateSecret")
    error_message = "The proxy cannot create secrets."
  }
  assert {
    condition     = output.cache_store == "aws:mail/proxy/?region=eu-central-1&kms_key=arn%3Aaws%3Akms%3Aeu-central-1%3A123456789012%3Akey%2F11111111-2222-3333-4444-555555555555"
    error_message = "The address of the store is another one."
  }
  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation && aws_kms_alias.this[0].name == "alias/mail/proxy"
    error_message = "The key does not rotate, or has another name."
  }
  assert {
    condition     = length(aws_secretsmanager_secret.account) == 0 && length(aws_vpc_endpoint.this) == 0 && output.seal_key == null
    error_message = "Something was made that was not asked for."
  }
}

run "secrets_made_here" {
  command = apply
  variables {
    accounts              = ["ada@example.com"]
    proxy_creates_secrets = false
    replica_regions       = { eu-west-1 = null }
    kms_key               = false
  }
  assert {
    condition     = aws_secretsmanager_secret.account["ada@example.com"].name == "mail/proxy/ada@example.com"
    error_message = "The secret is not where the proxy looks for it."
  }
  assert {
    condition     = one(aws_secretsmanager_secret.account["ada@example.com"].replica).region == "eu-west-1"
    error_message = "The secret is not replicated."
  }
  assert {
    condition     = !contains(data.aws_iam_policy_document.store.statement[0].actions, "secretsmanager:CreateSecret")
    error_message = "The proxy may create secrets."
  }
  assert {
    condition     = output.cache_store == "aws:mail/proxy/?region=eu-central-1" && output.kms_key_arn == null
    error_message = "There is a key that nobody asked for."
  }
}

run "the_service_key_is_not_in_the_state" {
  command = apply
  variables {
    seal_key         = "seal1_0123456789012345678901234567890123456789012"
    seal_key_version = 1
    vpc_endpoint     = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }
  assert {
    condition     = aws_secretsmanager_secret_version.seal_key[0].secret_string_wo == null && aws_secretsmanager_secret_version.seal_key[0].secret_string == null
    error_message = "The service key is in the state."
  }
  assert {
    condition     = output.seal_key == "aws:mail/proxy-service-key?region=eu-central-1"
    error_message = "The reference to the service key is another one."
  }
  assert {
    condition     = aws_vpc_endpoint.this[0].service_name == "com.amazonaws.eu-central-1.secretsmanager"
    error_message = "The endpoint is another service's."
  }
}

run "refuses_a_prefix_that_is_a_name" {
  command = plan
  variables {
    prefix = "mail"
  }
  expect_failures = [var.prefix]
}

run "refuses_an_account_that_is_kept_under_a_hash" {
  command = plan
  variables {
    accounts = ["ada@my-domain"]
  }
  expect_failures = [var.accounts]
}

run "refuses_an_account_with_a_slash" {
  command = plan
  variables {
    accounts = ["ada/b@example.com"]
  }
  expect_failures = [var.accounts]
}

run "refuses_that_nobody_creates_secrets" {
  command = plan
  variables {
    proxy_creates_secrets = false
  }
  expect_failures = [var.proxy_creates_secrets]
}

run "refuses_replicas_of_nothing" {
  command = plan
  variables {
    replica_regions = { eu-west-1 = null }
  }
  expect_failures = [var.replica_regions]
}

run "refuses_a_region_that_is_none" {
  command = plan
  variables {
    accounts        = ["ada@example.com"]
    replica_regions = { ireland = null }
  }
  expect_failures = [var.replica_regions]
}

run "refuses_an_administrator_that_is_none" {
  command = plan
  variables {
    kms_administrators = ["ada"]
  }
  expect_failures = [var.kms_administrators]
}

run "refuses_a_removal_at_once" {
  command = plan
  variables {
    recovery_window_in_days = 0
  }
  expect_failures = [var.recovery_window_in_days]
}

run "refuses_what_is_no_service_key" {
  command = plan
  variables {
    seal_key         = "hunter2"
    seal_key_version = 1
  }
  expect_failures = [var.seal_key]
}

run "refuses_a_version_that_is_none" {
  command = plan
  variables {
    seal_key_version = -1
  }
  expect_failures = [var.seal_key_version]
}
