output "emailproxy" {
  description = "Everything that the proxy needs; `tofu output -json | emailproxy deploy-config` writes `emailproxy.config` from it."
  value       = module.configuration.emailproxy
}

output "delegation_client_id" {
  description = "The client id for domain-wide delegation in the Workspace admin console."
  value       = module.machine.unique_id
}

output "server" {
  description = "What mail clients connect to."
  value       = module.machine.private_ip
}
