output "emailproxy" {
  description = "Everything that the proxy needs; `tofu output -json | emailproxy deploy-config` writes `emailproxy.config` from it."
  value       = module.configuration.emailproxy
}

output "exchange_script" {
  description = "The PowerShell script that gives the application access to the mailboxes."
  value       = module.exchange.script
}

output "server" {
  description = "What mail clients connect to."
  value       = module.machine.private_ip
}

output "instance_id" {
  description = "For `aws ssm start-session --target`."
  value       = module.machine.instance_id
}

output "client_id" {
  description = "The application in Entra."
  value       = module.application.client_id
}
