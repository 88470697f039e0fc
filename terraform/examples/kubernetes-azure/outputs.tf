output "emailproxy" {
  description = "Everything that the proxy needs; `tofu output -json | emailproxy deploy-config` writes `emailproxy.config` from it."
  value       = module.configuration.emailproxy
}

output "exchange_script" {
  description = "The PowerShell script that gives the application access to the mailboxes."
  value       = module.exchange.script
}

output "client_id" {
  description = "The application in Entra: the service account's annotation `azure.workload.identity/client-id`."
  value       = module.application.client_id
}

output "tenant_id" {
  description = "The tenant: the service account's annotation `azure.workload.identity/tenant-id`."
  value       = module.application.tenant_id
}

output "helm_values" {
  description = "The values of the chart in `infra/helm/emailproxy`, as YAML. They hold no secret."
  value = yamlencode({
    image          = { repository = var.image }
    cacheStore     = module.configuration.cache_store
    settings       = module.configuration.settings
    accounts       = module.configuration.accounts_text
    tls            = { secretName = var.tls_secret_name }
    serviceAccount = { create = true, name = var.service_account }
    identity = {
      azure = { clientId = module.application.client_id, tenantId = module.application.tenant_id }
    }
    listeners = {
      imap = { protocol = "IMAP", port = 1993, servicePort = 993, tls = "tls", options = { provider = "office365" } }
      smtp = { protocol = "SMTP", port = 1587, servicePort = 587, tls = "starttls", options = { provider = "office365" } }
    }
  })
}
