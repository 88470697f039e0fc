locals {
  # A role can be made for a resource group, not for one vault; it is assigned at the vault all the same.
  role_scope = "/subscriptions/${data.azurerm_client_config.current.subscription_id}/resourceGroups/${var.resource_group_name}"
}

# Key Vault Secrets Officer would do, and may delete. The proxy never deletes; it recovers the secret of an account that is authorised again.
resource "azurerm_role_definition" "store" {
  name        = "emailproxy store ${var.name}"
  scope       = local.role_scope
  description = "Reads and writes the secrets of ${var.name}; cannot delete them."

  assignable_scopes = [local.role_scope]

  permissions {
    actions = []
    data_actions = [
      "Microsoft.KeyVault/vaults/secrets/getSecret/action",
      "Microsoft.KeyVault/vaults/secrets/setSecret/action",
      "Microsoft.KeyVault/vaults/secrets/recover/action",
      "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    ]
  }
}

resource "azurerm_role_assignment" "proxy" {
  for_each = var.proxies

  scope              = azurerm_key_vault.this.id
  role_definition_id = azurerm_role_definition.store.role_definition_resource_id
  principal_id       = each.value
  principal_type     = "ServicePrincipal"
  description        = "emailproxy keeps its tokens here."
}

resource "azurerm_role_assignment" "officer" {
  for_each = var.secret_officers

  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = each.value
}

# A new assignment is not known everywhere at once, and a write that comes too early is refused.
resource "time_sleep" "assignments" {
  count = var.seal_key_version > 0 ? 1 : 0

  create_duration = "60s"

  triggers = { for name, assignment in azurerm_role_assignment.officer : name => assignment.id }
}

# Write-only: azurerm hands it over and keeps nothing. An expiry would stop the proxy on that day; the key is replaced with `emailproxy seal rotate`.
resource "azurerm_key_vault_secret" "seal_key" {
  #checkov:skip=CKV_AZURE_41:A service key that expires by itself locks every account out; its rotation is a step of its own (docs/configuration.md, Managed accounts).
  count = var.seal_key_version > 0 ? 1 : 0

  name             = "${var.secret_prefix}-service-key"
  key_vault_id     = azurerm_key_vault.this.id
  content_type     = "text/plain; emailproxy service key"
  value_wo         = var.seal_key
  value_wo_version = var.seal_key_version
  tags             = var.tags

  depends_on = [time_sleep.assignments]
}
