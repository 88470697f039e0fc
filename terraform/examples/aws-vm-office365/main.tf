# No secret anywhere: AWS says who the machine is, and Entra takes its word that it is the application.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # The role's ARN, written out: the application must know it before the machine, and the machine the application.
  role_arn = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/${var.name}"
}

module "application" {
  source = "../../modules/entra-application"

  display_name            = var.name
  application_permissions = ["imap", "smtp"]
  federated_credentials = {
    "aws-${var.name}" = {
      issuer      = var.issuer
      subject     = local.role_arn
      description = "The role of the machine ${var.name} in AWS."
    }
  }
}

module "store" {
  source = "../../modules/aws-secrets-manager"

  prefix           = "${var.name}/"
  role_names       = [module.machine.role_name]
  seal_key         = var.seal_key
  seal_key_version = var.seal_key_version
}

module "configuration" {
  source = "../../modules/configuration"

  ports            = { imap = 1993, smtp = 1587 }
  mail_provider    = "office365"
  tls              = var.tls
  accounts         = { for mailbox in var.mailboxes : mailbox => {} }
  account_defaults = merge(module.application.account, { client_assertion = "aws:${var.region}" })
  settings         = merge(module.store.seal_key == null ? {} : { seal_key = module.store.seal_key }, var.settings)
  cache_store      = module.store.cache_store
  extras           = module.store.extras
  next_steps = [
    "Give the application access to the mailboxes, as an Exchange administrator: ${module.exchange.command}",
    "Point the devices to ${module.machine.private_ip}, ports 1993 (IMAP) and 1587 (SMTP).",
  ]
}

module "machine" {
  source = "../../modules/aws-ec2"

  name                      = var.name
  vpc_id                    = var.vpc_id
  subnet_id                 = var.subnet_id
  client_ranges             = var.client_ranges
  issue_web_identity_tokens = true
  emailproxy_config         = module.configuration.text
  cache_store               = module.configuration.cache_store
  extras                    = module.configuration.extras
  ports                     = module.configuration.ports
}

module "exchange" {
  source = "../../modules/exchange-access"

  organization                = var.organization
  client_id                   = module.application.client_id
  service_principal_object_id = module.application.service_principal_object_id
  mailboxes                   = { for mailbox in var.mailboxes : mailbox => {} }
}
