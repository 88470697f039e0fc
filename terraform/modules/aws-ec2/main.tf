data "aws_partition" "current" {}

data "aws_ssm_parameter" "image" {
  count = var.ami_id == null ? 1 : 0

  name = "/aws/service/debian/release/12/latest/${var.architecture}"
}

locals {
  user_data = templatefile("${path.module}/../../../infra/cloud-init/emailproxy.yaml.tftpl", {
    emailproxy_config = var.emailproxy_config
    cache_store       = var.cache_store
    extras            = sort(var.extras)
    package           = var.package
    ports             = sort([for port in var.ports : tostring(port)])
  })
}

# A change of the configuration replaces the machine. Nothing is lost by that, since the tokens are in the store.
resource "aws_instance" "this" {
  ami                         = coalesce(var.ami_id, one(data.aws_ssm_parameter.image[*].insecure_value))
  instance_type               = var.instance_type
  subnet_id                   = var.subnet_id
  vpc_security_group_ids      = [aws_security_group.this.id]
  associate_public_ip_address = false
  iam_instance_profile        = aws_iam_instance_profile.this.name
  ebs_optimized               = true
  monitoring                  = true

  # cloud-init takes it compressed; without that, 16 KiB are few.
  user_data_base64            = base64gzip(local.user_data)
  user_data_replace_on_change = true

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # The proxy is no container: one hop is as far as its credentials travel.
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  root_block_device {
    encrypted             = true
    volume_type           = "gp3"
    delete_on_termination = true
  }

  tags        = merge(var.tags, { Name = var.name })
  volume_tags = var.tags

  lifecycle {
    # The newest Debian of today is another one tomorrow; patches come by apt.
    ignore_changes = [ami]

    precondition {
      condition     = length(base64gzip(local.user_data)) <= 21844
      error_message = "The configuration is too large for the machine's user data (16 KiB, compressed); use @example.com for the accounts of a domain."
    }
  }

  depends_on = [aws_iam_role_policy_attachment.this, aws_vpc_security_group_egress_rule.this]
}
