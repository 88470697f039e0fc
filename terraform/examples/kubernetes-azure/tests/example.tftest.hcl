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
  mock_data "azurerm_kubernetes_cluster" {
    defaults = {
      location            = "germanywestcentral"
      oidc_issuer_enabled = true
      oidc_issuer_url     = "https://germanywestcentral.oic.prod-aks.azure.com/t/c/"
    }
  }
}

mock_provider "time" {}

variables {
  subscription_id         = "77777777-2222-3333-4444-555555555555"
  cluster                 = { name = "cluster", resource_group_name = "mail" }
  cluster_subnet_id       = "/subnets/nodes"
  vault_name              = "example-mail-tokens"
  organization            = "example.onmicrosoft.com"
  mailboxes               = ["reports@example.com"]
  administrator_ip_ranges = ["203.0.113.7"]
  image                   = "registry.example.com/emailproxy"
  seal_key                = "seal1_0123456789012345678901234567890123456789012"
}

run "the_parts_know_each_other" {
  command = apply
  assert {
    condition     = output.emailproxy.sections["reports@example.com"].client_assertion == "workload-identity"
    error_message = "The pod proves its identity in another way."
  }
  assert {
    # Without an identity: the pod's own is in its environment.
    condition     = output.emailproxy.cache_store == "azure:https://example-mail-tokens.vault.azure.net/emailproxy"
    error_message = "The store is another one."
  }
  assert {
    condition     = output.client_id == "01234567-89ab-cdef-0123-456789abcdef" && output.tenant_id == "11111111-2222-3333-4444-555555555555"
    error_message = "The outputs are others."
  }
}

run "the_chart_gets_what_it_wants" {
  command = apply
  assert {
    condition     = yamldecode(output.helm_values).identity.azure.clientId == "01234567-89ab-cdef-0123-456789abcdef"
    error_message = "The pods are somebody else."
  }
  assert {
    condition     = strcontains(yamldecode(output.helm_values).accounts, "[reports@example.com]\nclient_assertion = workload-identity\n")
    error_message = "The accounts are others."
  }
  assert {
    condition     = yamldecode(output.helm_values).serviceAccount.name == "emailproxy"
    error_message = "The federated credential names another service account."
  }
}

run "refuses_no_mailbox" {
  command = plan
  variables {
    mailboxes = []
  }
  expect_failures = [var.mailboxes]
}

run "refuses_a_bad_namespace" {
  command = plan
  variables {
    namespace = "Mail"
  }
  expect_failures = [var.namespace]
}

run "refuses_a_bad_service_account" {
  command = plan
  variables {
    service_account = "email_proxy"
  }
  expect_failures = [var.service_account]
}
