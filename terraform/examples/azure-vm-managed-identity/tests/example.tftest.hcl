mock_provider "azuread" {
  mock_data "azuread_application_published_app_ids" {
    defaults = {
      result = { Office365ExchangeOnline = "00000002-0000-0ff1-ce00-000000000000" }
    }
  }
  mock_data "azuread_client_config" {
    defaults = {
      tenant_id = "11111111-2222-3333-4444-555555555555"
      object_id = "22222222-2222-3333-4444-555555555555"
    }
  }
  mock_data "azuread_service_principal" {
    defaults = {
      app_role_ids = {
        "IMAP.AccessAsApp" = "aaaaaaaa-0000-0000-0000-000000000001"
        "SMTP.SendAsApp"   = "aaaaaaaa-0000-0000-0000-000000000003"
      }
    }
  }
  mock_resource "azuread_application" {
    defaults = {
      id        = "/applications/33333333-2222-3333-4444-555555555555"
      client_id = "01234567-89ab-cdef-0123-456789abcdef"
    }
  }
  mock_resource "azuread_service_principal" {
    defaults = { object_id = "66666666-2222-3333-4444-555555555555" }
  }
}

mock_provider "azurerm" {
  mock_data "azurerm_client_config" {
    defaults = {
      tenant_id       = "11111111-2222-3333-4444-555555555555"
      object_id       = "22222222-2222-3333-4444-555555555555"
      subscription_id = "77777777-2222-3333-4444-555555555555"
    }
  }
  mock_resource "azurerm_key_vault" {
    defaults = {
      id        = "/subscriptions/s/resourceGroups/emailproxy/providers/Microsoft.KeyVault/vaults/example-mail-tokens"
      vault_uri = "https://example-mail-tokens.vault.azure.net/"
    }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      client_id    = "89abcdef-0123-4567-89ab-cdef01234567"
      principal_id = "44444444-2222-3333-4444-555555555555"
    }
  }
  mock_resource "azurerm_network_interface" {
    defaults = { private_ip_address = "10.77.0.4" }
  }
}

mock_provider "time" {}

variables {
  subscription_id         = "77777777-2222-3333-4444-555555555555"
  vault_name              = "example-mail-tokens"
  organization            = "example.onmicrosoft.com"
  mailboxes               = ["reports@example.com", "scanner@example.com"]
  ssh_public_key          = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2SVlJ9TPXzqkXNfSyOUSvn0bsZrjhCcpfyxwbkfXnp"
  administrator_ip_ranges = ["203.0.113.7"]
  seal_key                = "seal1_0123456789012345678901234567890123456789012"
}

run "the_parts_know_each_other" {
  command = apply
  assert {
    condition = output.emailproxy.sections["reports@example.com"] == {
      client_assertion = "managed-identity:89abcdef-0123-4567-89ab-cdef01234567"
      client_id        = "01234567-89ab-cdef-0123-456789abcdef"
      oauth2_flow      = "client_credentials"
      provider         = "office365"
      tenant           = "11111111-2222-3333-4444-555555555555"
    }
    error_message = "The section of an account is another one."
  }
  assert {
    condition     = output.emailproxy.cache_store == "azure:https://example-mail-tokens.vault.azure.net/emailproxy?identity=89abcdef-0123-4567-89ab-cdef01234567"
    error_message = "The store is another one, or asked with another identity."
  }
  assert {
    condition     = output.emailproxy.sections.emailproxy.seal_key == "azure:https://example-mail-tokens.vault.azure.net/secrets/emailproxy-service-key?identity=89abcdef-0123-4567-89ab-cdef01234567"
    error_message = "The service key is elsewhere."
  }
  assert {
    condition     = strcontains(output.exchange_script, "66666666-2222-3333-4444-555555555555")
    error_message = "The script for Exchange is about another service principal."
  }
  assert {
    condition     = output.server == "10.77.0.4" && output.client_id == "01234567-89ab-cdef-0123-456789abcdef"
    error_message = "The outputs are others."
  }
}

run "refuses_no_mailbox" {
  command = plan
  variables {
    mailboxes = []
  }
  expect_failures = [var.mailboxes]
}
