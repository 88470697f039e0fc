# No secret anywhere: the machine's identity proves to Entra that it is the application, and opens the vault.

data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = var.location
}

module "application" {
  source = "../../modules/entra-application"

  display_name            = var.name
  application_permissions = ["imap", "smtp"]
  federated_credentials = {
    (var.name) = {
      issuer      = "https://login.microsoftonline.com/${data.azurerm_client_config.current.tenant_id}/v2.0"
      subject     = module.machine.identity_principal_id
      description = "The managed identity of the machine ${var.name}."
    }
  }
}

module "vault" {
  source = "../../modules/azure-key-vault"

  name                  = var.vault_name
  resource_group_name   = azurerm_resource_group.this.name
  location              = azurerm_resource_group.this.location
  proxies               = { machine = module.machine.identity_principal_id }
  identity_client_id    = module.machine.identity_client_id
  secret_officers       = { administrator = data.azurerm_client_config.current.object_id }
  public_network_access = true
  allowed_ip_ranges     = var.administrator_ip_ranges
  allowed_subnet_ids    = [azurerm_subnet.this.id]
  seal_key              = var.seal_key
  seal_key_version      = var.seal_key_version
}

module "configuration" {
  source = "../../modules/configuration"

  ports            = { imap = 1993, smtp = 1587 }
  mail_provider    = "office365"
  tls              = var.tls
  accounts         = { for mailbox in var.mailboxes : mailbox => {} }
  account_defaults = merge(module.application.account, { client_assertion = "managed-identity:${module.machine.identity_client_id}" })
  settings         = merge(module.vault.seal_key == null ? {} : { seal_key = module.vault.seal_key }, var.settings)
  cache_store      = module.vault.cache_store
  extras           = module.vault.extras
  next_steps = [
    "Give the application access to the mailboxes, as an Exchange administrator: ${module.exchange.command}",
    "Point the devices to ${module.machine.private_ip_address}, ports 1993 (IMAP) and 1587 (SMTP).",
  ]
}

module "machine" {
  source = "../../modules/azure-vm"

  name                = var.name
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  subnet_id           = azurerm_subnet.this.id
  ssh_public_key      = var.ssh_public_key
  encryption_at_host  = var.encryption_at_host
  client_ranges       = var.client_ranges
  emailproxy_config   = module.configuration.text
  cache_store         = module.configuration.cache_store
  extras              = module.configuration.extras
  ports               = module.configuration.ports
}

module "exchange" {
  source = "../../modules/exchange-access"

  organization                = var.organization
  client_id                   = module.application.client_id
  service_principal_object_id = module.application.service_principal_object_id
  mailboxes                   = { for mailbox in var.mailboxes : mailbox => {} }
}
