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
