mock_provider "azurerm" {
  mock_resource "azurerm_key_vault" {
    defaults = {
      id        = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/mail/providers/Microsoft.KeyVault/vaults/mail-tokens"
      vault_uri = "https://mail-tokens.vault.azure.net/"
    }
  }
}

mock_provider "time" {}

variables {
  name                  = "mail-tokens"
  resource_group_name   = "mail"
  location              = "germanywestcentral"
  proxies               = { vm = "44444444-2222-3333-4444-555555555555" }
  identity_client_id    = "89abcdef-0123-4567-89ab-cdef01234567"
  public_network_access = true
}

run "is_closed_by_default" {
  command = apply
  assert {
    condition     = azurerm_key_vault.this.network_acls[0].default_action == "Deny" && azurerm_key_vault.this.rbac_authorization_enabled && azurerm_key_vault.this.purge_protection_enabled
    error_message = "The vault is open, without roles, or can be purged."
  }
  assert {
    condition     = !anytrue([for action in one(azurerm_role_definition.store.permissions).data_actions : strcontains(action, "delete") || strcontains(action, "*")])
    error_message = "The proxy may delete."
  }
  assert {
    condition     = output.cache_store == "azure:https://mail-tokens.vault.azure.net/emailproxy?identity=89abcdef-0123-4567-89ab-cdef01234567"
    error_message = "The address of the store is another one."
  }
  assert {
    condition     = output.seal_key == null && length(azurerm_key_vault_secret.seal_key) == 0 && length(time_sleep.assignments) == 0
    error_message = "A service key is kept that nobody gave."
  }
  assert {
    condition     = length(azurerm_private_endpoint.this) == 0 && length(azurerm_monitor_diagnostic_setting.this) == 0
    error_message = "Something was made that was not asked for."
  }
}

run "the_service_key_is_not_in_the_state" {
  command = apply
  variables {
    secret_officers  = { me = "55555555-2222-3333-4444-555555555555" }
    seal_key         = "seal1_0123456789012345678901234567890123456789012"
    seal_key_version = 1
  }
  assert {
    condition     = azurerm_key_vault_secret.seal_key[0].value_wo == null && azurerm_key_vault_secret.seal_key[0].value_wo_version == 1
    error_message = "The service key is in the state."
  }
  assert {
    condition     = output.seal_key == "azure:https://mail-tokens.vault.azure.net/secrets/emailproxy-service-key?identity=89abcdef-0123-4567-89ab-cdef01234567"
    error_message = "The reference to the service key is another one."
  }
}

run "private" {
  command = apply
  variables {
    public_network_access      = false
    private_endpoint           = { subnet_id = "/subnets/a", private_dns_zone_ids = ["/zones/a"] }
    log_analytics_workspace_id = "/workspaces/a"
  }
  assert {
    condition     = azurerm_private_endpoint.this[0].private_dns_zone_group[0].private_dns_zone_ids == tolist(["/zones/a"])
    error_message = "The private endpoint has no name."
  }
  assert {
    condition     = one(azurerm_monitor_diagnostic_setting.this[0].enabled_log).category_group == "audit"
    error_message = "Accesses are not logged."
  }
}

run "refuses_a_vault_that_nobody_reaches" {
  command = plan
  variables {
    public_network_access = false
  }
  expect_failures = [var.private_endpoint]
}

run "refuses_everybody" {
  command = plan
  variables {
    allowed_ip_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_ip_ranges]
}

run "refuses_a_range_without_public_access" {
  command = plan
  variables {
    public_network_access = false
    private_endpoint      = { subnet_id = "/subnets/a" }
    allowed_ip_ranges     = ["203.0.113.7"]
  }
  expect_failures = [var.allowed_ip_ranges]
}

run "refuses_a_subnet_without_public_access" {
  command = plan
  variables {
    public_network_access = false
    private_endpoint      = { subnet_id = "/subnets/a" }
    allowed_subnet_ids    = ["/subnets/b"]
  }
  expect_failures = [var.allowed_subnet_ids]
}

run "refuses_a_bad_name" {
  command = plan
  variables {
    name = "1-vault"
  }
  expect_failures = [var.name]
}

run "refuses_a_bad_prefix" {
  command = plan
  variables {
    secret_prefix = "mail/"
  }
  expect_failures = [var.secret_prefix]
}

run "refuses_a_store_without_a_proxy" {
  command = plan
  variables {
    proxies = {}
  }
  expect_failures = [var.proxies]
}

run "refuses_a_short_retention" {
  command = plan
  variables {
    soft_delete_retention_days = 3
  }
  expect_failures = [var.soft_delete_retention_days]
}

run "refuses_what_is_no_service_key" {
  command = plan
  variables {
    secret_officers  = { me = "55555555-2222-3333-4444-555555555555" }
    seal_key         = "hunter2"
    seal_key_version = 1
  }
  expect_failures = [var.seal_key]
}

run "refuses_a_service_key_that_nobody_may_write" {
  command = plan
  variables {
    seal_key_version = 1
  }
  expect_failures = [var.seal_key_version]
}
