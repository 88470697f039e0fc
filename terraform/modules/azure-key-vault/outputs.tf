locals {
  uri = trimsuffix(azurerm_key_vault.this.vault_uri, "/")
}

output "id" {
  description = "The vault's resource id."
  value       = azurerm_key_vault.this.id
}

output "uri" {
  description = "The vault's address, without a slash at the end."
  value       = local.uri
}

output "role_definition_id" {
  description = "The role with the least rights that the proxy needs, to be assigned to further identities."
  value       = azurerm_role_definition.store.role_definition_resource_id
}

output "cache_store" {
  description = "The address for `--cache-store`, and for the module configuration."
  value       = "azure:${local.uri}/${var.secret_prefix}${var.identity_client_id == null ? "" : "?identity=${var.identity_client_id}"}"

  # Who reads the address may begin to use it.
  depends_on = [azurerm_role_assignment.proxy, azurerm_private_endpoint.this]
}

output "seal_key" {
  description = "The reference to the service key, for `settings.seal_key`; `null` if this module keeps none."
  value = var.seal_key_version == 0 ? null : (
    "azure:${local.uri}/secrets/${azurerm_key_vault_secret.seal_key[0].name}${var.identity_client_id == null ? "" : "?identity=${var.identity_client_id}"}"
  )
}

output "extras" {
  description = "The extras that the proxy needs for this store."
  value       = ["azure"]
}
