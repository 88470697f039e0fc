locals {
  application_roles = { imap = "IMAP.AccessAsApp", pop = "POP.AccessAsApp", smtp = "SMTP.SendAsApp" }
  delegated_scopes  = { imap = "IMAP.AccessAsUser.All", pop = "POP.AccessAsUser.All", smtp = "SMTP.Send" }

  # offline_access is what a refresh token needs.
  scopes = length(var.delegated_permissions) == 0 ? [] : concat(
    [for protocol in sort(var.delegated_permissions) : local.delegated_scopes[protocol]],
    ["offline_access"],
  )

  audiences = {
    public       = "api://AzureADTokenExchange"
    usgovernment = "api://AzureADTokenExchangeUSGov"
    china        = "api://AzureADTokenExchangeChina"
  }
}

data "azuread_client_config" "current" {}

data "azuread_application_published_app_ids" "known" {}

# A tenant with mailboxes has this service principal. It is only read: one that Terraform had adopted could be removed with this module.
data "azuread_service_principal" "exchange" {
  count = length(var.application_permissions) > 0 ? 1 : 0

  client_id = data.azuread_application_published_app_ids.known.result["Office365ExchangeOnline"]
}

data "azuread_service_principal" "graph" {
  count = length(var.delegated_permissions) > 0 ? 1 : 0

  client_id = data.azuread_application_published_app_ids.known.result["MicrosoftGraph"]
}

resource "azuread_application" "this" {
  display_name     = var.display_name
  description      = "Lets mail clients that only know a password reach Exchange Online (emailproxy)."
  owners           = length(var.owners) > 0 ? var.owners : [data.azuread_client_config.current.object_id]
  sign_in_audience = var.sign_in_audience

  # The device flow is for public clients only.
  fallback_public_client_enabled = var.device_flow
  prevent_duplicate_names        = true

  dynamic "public_client" {
    for_each = length(var.redirect_uris) > 0 ? [var.redirect_uris] : []
    content {
      redirect_uris = public_client.value
    }
  }

  dynamic "required_resource_access" {
    for_each = data.azuread_service_principal.exchange
    content {
      resource_app_id = required_resource_access.value.client_id

      dynamic "resource_access" {
        for_each = var.application_permissions
        content {
          id   = required_resource_access.value.app_role_ids[local.application_roles[resource_access.value]]
          type = "Role"
        }
      }
    }
  }

  dynamic "required_resource_access" {
    for_each = data.azuread_service_principal.graph
    content {
      resource_app_id = required_resource_access.value.client_id

      dynamic "resource_access" {
        for_each = toset(local.scopes)
        content {
          id   = required_resource_access.value.oauth2_permission_scope_ids[resource_access.value]
          type = "Scope"
        }
      }
    }
  }
}

resource "azuread_service_principal" "this" {
  client_id   = azuread_application.this.client_id
  description = azuread_application.this.description
  owners      = azuread_application.this.owners

  # Nobody signs in to it as such; the mailboxes that it may open are Exchange's to say.
  app_role_assignment_required = false
}

# What the portal calls "Grant admin consent", for application permissions.
resource "azuread_app_role_assignment" "application" {
  for_each = var.application_permissions

  app_role_id         = data.azuread_service_principal.exchange[0].app_role_ids[local.application_roles[each.value]]
  principal_object_id = azuread_service_principal.this.object_id
  resource_object_id  = data.azuread_service_principal.exchange[0].object_id
}

# The same for delegated permissions.
resource "azuread_service_principal_delegated_permission_grant" "everybody" {
  count = var.consent_for_all_users && length(var.delegated_permissions) > 0 ? 1 : 0

  service_principal_object_id          = azuread_service_principal.this.object_id
  resource_service_principal_object_id = data.azuread_service_principal.graph[0].object_id
  claim_values                         = local.scopes
}

resource "azuread_application_federated_identity_credential" "this" {
  #checkov:skip=CKV_AZURE_249:It looks for subjects of GitHub Actions; who is trusted here is the caller's to say, by an exact subject.
  for_each = var.federated_credentials

  application_id = azuread_application.this.id
  display_name   = each.key
  description    = each.value.description
  audiences      = [local.audiences[var.cloud]]
  issuer         = each.value.issuer
  subject        = each.value.subject
}

resource "azuread_application_certificate" "this" {
  count = var.certificate == null ? 0 : 1

  application_id = azuread_application.this.id
  type           = "AsymmetricX509Cert"
  value          = var.certificate.pem
  end_date       = var.certificate.end_date
}
