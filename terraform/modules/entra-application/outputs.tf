locals {
  reference_kind = var.client_secret_reference == null ? null : split(":", var.client_secret_reference)[0]
  reference_rest = var.client_secret_reference == null ? "" : trimprefix(var.client_secret_reference, "${local.reference_kind}:")
  reference_path = split("/", local.reference_rest)

  # With application permissions nobody is asked. Otherwise a person is, by a code or in a browser.
  flow = (
    length(var.application_permissions) > 0 ? "client_credentials" : var.device_flow ? "device" : "authorization_code"
  )
}

output "client_id" {
  description = "The application's client id."
  value       = azuread_application.this.client_id
}

output "tenant_id" {
  description = "The tenant that the application is registered in."
  value       = data.azuread_client_config.current.tenant_id
}

output "service_principal_object_id" {
  description = "The object id of the enterprise application: what Exchange's New-ServicePrincipal wants (module exchange-access)."
  value       = azuread_service_principal.this.object_id
}

output "account" {
  description = "The options of an account's section, for `account_defaults` of the module configuration. `client_assertion` is added by who knows the machine."
  value = merge(
    {
      oauth2_flow = local.flow
      tenant      = data.azuread_client_config.current.tenant_id
      client_id   = azuread_application.this.client_id
    },
    # Which of the redirect URIs is the proxy's nobody can tell if there are several.
    local.flow == "authorization_code" && length(var.redirect_uris) == 1 ? { redirect_uri = one(var.redirect_uris) } : {},
    var.client_secret_reference == null ? {} : { client_secret = var.client_secret_reference },
  )
}

output "client_secret_script" {
  description = "A Bash script that makes a client secret and puts it at `client_secret_reference`, for the Azure CLI and that of the place; `null` without one."
  value = var.client_secret_reference == null ? null : templatefile("${path.module}/client-secret.sh.tftpl", {
    client_id = azuread_application.this.client_id
    reference = var.client_secret_reference
    kind      = local.reference_kind
    place     = local.reference_kind == "azure" ? local.reference_path[0] : local.reference_kind == "gcp" ? local.reference_path[1] : ""
    name      = local.reference_kind == "aws" ? local.reference_rest : element(local.reference_path, -1)
  })
}
