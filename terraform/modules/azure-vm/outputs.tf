output "identity_client_id" {
  description = "The identity's *client* id: for `client_assertion = managed-identity:…` and the store's `?identity=…`."
  value       = azurerm_user_assigned_identity.this.client_id
}

output "identity_principal_id" {
  description = "The identity's *principal* id: for roles, and as the subject of a federated credential."
  value       = azurerm_user_assigned_identity.this.principal_id
}

output "identity_id" {
  description = "The identity's resource id."
  value       = azurerm_user_assigned_identity.this.id
}

output "virtual_machine_id" {
  description = "The machine's resource id."
  value       = azurerm_linux_virtual_machine.this.id
}

output "private_ip_address" {
  description = "The address that mail clients in the network connect to."
  value       = azurerm_network_interface.this.private_ip_address
}

output "public_ip_address" {
  description = "The machine's address in the internet; `null` if it has none."
  value       = one(azurerm_public_ip.this[*].ip_address)
}

output "user_data" {
  description = "The user data (cloud-init) that the machine starts with."
  value       = local.user_data
}
