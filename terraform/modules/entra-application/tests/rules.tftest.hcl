mock_provider "azuread" {
  mock_data "azuread_application_published_app_ids" {
    defaults = {
      result = {
        Office365ExchangeOnline = "00000002-0000-0ff1-ce00-000000000000"
        MicrosoftGraph          = "00000003-0000-0000-c000-000000000000"
      }
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
        "POP.AccessAsApp"  = "aaaaaaaa-0000-0000-0000-000000000002"
        "SMTP.SendAsApp"   = "aaaaaaaa-0000-0000-0000-000000000003"
      }
      oauth2_permission_scope_ids = {
        "IMAP.AccessAsUser.All" = "bbbbbbbb-0000-0000-0000-000000000001"
        "POP.AccessAsUser.All"  = "bbbbbbbb-0000-0000-0000-000000000002"
        "SMTP.Send"             = "bbbbbbbb-0000-0000-0000-000000000003"
        "offline_access"        = "bbbbbbbb-0000-0000-0000-000000000004"
      }
    }
  }
  mock_resource "azuread_application" {
    defaults = {
      id        = "/applications/33333333-2222-3333-4444-555555555555"
      client_id = "01234567-89ab-cdef-0123-456789abcdef"
    }
  }
}

variables {
  application_permissions = ["imap", "smtp"]
}

run "asks_for_what_was_asked_for" {
  command = apply
  assert {
    condition     = toset(keys(azuread_app_role_assignment.application)) == toset(["imap", "smtp"])
    error_message = "Other permissions are granted than were asked for."
  }
  assert {
    condition     = azuread_app_role_assignment.application["smtp"].app_role_id == "aaaaaaaa-0000-0000-0000-000000000003"
    error_message = "The permission for SMTP is another one."
  }
  assert {
    condition     = length(azuread_application.this.required_resource_access) == 1
    error_message = "The application asks for delegated permissions too."
  }
  assert {
    condition     = length(azuread_service_principal_delegated_permission_grant.everybody) == 0 && length(azuread_application_certificate.this) == 0
    error_message = "Something was made that was not asked for."
  }
  assert {
    condition = output.account == {
      oauth2_flow = "client_credentials"
      tenant      = "11111111-2222-3333-4444-555555555555"
      client_id   = "01234567-89ab-cdef-0123-456789abcdef"
    }
    error_message = "The section of an account is another one."
  }
  assert {
    condition     = output.client_secret_script == null
    error_message = "There is a script for a secret that nobody wants."
  }
}

run "persons_in_a_browser" {
  command = apply
  variables {
    application_permissions = []
    delegated_permissions   = ["imap"]
    redirect_uris           = ["http://localhost:8080"]
    consent_for_all_users   = true
  }
  assert {
    condition     = output.account.oauth2_flow == "authorization_code" && output.account.redirect_uri == "http://localhost:8080"
    error_message = "The flow is another one."
  }
  assert {
    condition     = azuread_service_principal_delegated_permission_grant.everybody[0].claim_values == toset(["IMAP.AccessAsUser.All", "offline_access"])
    error_message = "The consent for everybody is another one."
  }
  assert {
    condition     = length(azuread_app_role_assignment.application) == 0
    error_message = "The application may open mailboxes without a person."
  }
}

run "federated" {
  command = apply
  variables {
    cloud = "usgovernment"
    federated_credentials = {
      proxy-vm = { issuer = "https://login.microsoftonline.us/11111111-2222-3333-4444-555555555555/v2.0", subject = "44444444-2222-3333-4444-555555555555" }
    }
  }
  assert {
    condition     = azuread_application_federated_identity_credential.this["proxy-vm"].audiences[0] == "api://AzureADTokenExchangeUSGov"
    error_message = "The audience is that of another cloud."
  }
}

run "a_secret_only_by_script" {
  command = apply
  variables {
    client_secret_reference = "azure:office/secrets/mail-app"
  }
  assert {
    condition     = output.account.client_secret == "azure:office/secrets/mail-app"
    error_message = "The reference is not in the account."
  }
  assert {
    condition     = strcontains(output.client_secret_script, "--vault-name 'office' --name 'mail-app'") && strcontains(output.client_secret_script, "--id '01234567-89ab-cdef-0123-456789abcdef'")
    error_message = "The script puts the secret elsewhere."
  }
}

run "a_secret_for_aws" {
  command = apply
  variables {
    client_secret_reference = "aws:mail/app"
  }
  assert {
    condition     = strcontains(output.client_secret_script, "put-secret-value --secret-id 'mail/app'") && !strcontains(output.client_secret_script, "keyvault")
    error_message = "The script puts the secret elsewhere."
  }
}

run "a_secret_for_google" {
  command = apply
  variables {
    client_secret_reference = "gcp:projects/my-project/secrets/mail-app"
  }
  assert {
    condition     = strcontains(output.client_secret_script, "versions add 'mail-app' --project 'my-project'")
    error_message = "The script puts the secret elsewhere."
  }
}

run "refuses_an_application_that_can_do_nothing" {
  command = plan
  variables {
    application_permissions = []
  }
  expect_failures = [var.delegated_permissions]
}

run "refuses_an_unknown_permission" {
  command = plan
  variables {
    application_permissions = ["ews"]
  }
  expect_failures = [var.application_permissions]
}

run "refuses_an_unknown_delegated_permission" {
  command = plan
  variables {
    delegated_permissions = ["ews"]
  }
  expect_failures = [var.delegated_permissions]
}

run "refuses_plain_http_elsewhere" {
  command = plan
  variables {
    redirect_uris = ["http://mail.example.com/done"]
  }
  expect_failures = [var.redirect_uris]
}

run "refuses_an_issuer_without_https" {
  command = plan
  variables {
    federated_credentials = { aws-role = { issuer = "sts.example.com", subject = "x" } }
  }
  expect_failures = [var.federated_credentials]
}

run "refuses_a_secret_beside_a_federation" {
  command = plan
  variables {
    federated_credentials   = { aws-role = { issuer = "https://sts.example.com", subject = "x" } }
    client_secret_reference = "aws:mail/app"
  }
  expect_failures = [var.client_secret_reference]
}

run "refuses_a_private_key" {
  command = plan
  variables {
    certificate = { pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----" }
  }
  expect_failures = [var.certificate]
}

run "refuses_an_unknown_cloud" {
  command = plan
  variables {
    cloud = "germany"
  }
  expect_failures = [var.cloud]
}

run "refuses_personal_accounts" {
  command = plan
  variables {
    sign_in_audience = "PersonalMicrosoftAccount"
  }
  expect_failures = [var.sign_in_audience]
}

run "refuses_an_owner_by_name" {
  command = plan
  variables {
    owners = ["ada@example.com"]
  }
  expect_failures = [var.owners]
}

run "refuses_an_empty_name" {
  command = plan
  variables {
    display_name = " "
  }
  expect_failures = [var.display_name]
}
