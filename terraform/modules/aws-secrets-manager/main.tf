data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.region
  arns      = "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:"

  # Beside the accounts' prefix, not under it: what is there is the proxy's own.
  seal_key_name = "${trimsuffix(var.prefix, "/")}-service-key"
}

# Without a value: the proxy writes it when the account gets its first token.
resource "aws_secretsmanager_secret" "account" {
  #checkov:skip=CKV2_AWS_57:The proxy itself writes the tokens as the provider gives them; a rotation by AWS would destroy them.
  #checkov:skip=CKV_AWS_149:It has the key of its own unless kms_key = false says otherwise.
  for_each = var.accounts

  name                    = "${var.prefix}${each.value}"
  description             = "Tokens that emailproxy keeps for ${each.value}; sealed."
  kms_key_id              = one(aws_kms_key.this[*].arn)
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags

  dynamic "replica" {
    for_each = var.replica_regions
    content {
      region     = replica.key
      kms_key_id = replica.value
    }
  }
}

resource "aws_secretsmanager_secret" "seal_key" {
  #checkov:skip=CKV2_AWS_57:A service key is replaced with emailproxy seal rotate, which seals every record anew; a rotation by AWS would lock every account out.
  #checkov:skip=CKV_AWS_149:It has the key of its own unless kms_key = false says otherwise.
  count = var.seal_key_version > 0 ? 1 : 0

  name                    = local.seal_key_name
  description             = "The service key of emailproxy."
  kms_key_id              = one(aws_kms_key.this[*].arn)
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "seal_key" {
  count = var.seal_key_version > 0 ? 1 : 0

  secret_id                = aws_secretsmanager_secret.seal_key[0].id
  secret_string_wo         = var.seal_key
  secret_string_wo_version = var.seal_key_version
}

resource "aws_vpc_endpoint" "this" {
  count = var.vpc_endpoint == null ? 0 : 1

  vpc_id              = var.vpc_endpoint.vpc_id
  service_name        = "com.amazonaws.${local.region}.secretsmanager"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.vpc_endpoint.subnet_ids
  security_group_ids  = var.vpc_endpoint.security_group_ids
  private_dns_enabled = true
  tags                = var.tags
}
