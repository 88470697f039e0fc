output "text" {
  description = "The whole `emailproxy.config`. It holds no secret."
  value       = local.text
}

output "accounts_text" {
  description = "The accounts' sections alone, for the value `accounts` of the chart in `infra/helm`."
  value       = local.accounts_text
}

output "settings" {
  description = "The options of `[emailproxy]`, for the value `settings` of the chart in `infra/helm`."
  value       = local.settings
}

output "ports" {
  description = "The ports to open for mail clients, in ascending order."
  value       = [for port in sort([for number in values(var.ports) : format("%05d", number)]) : tonumber(port)]
}

output "cache_store" {
  description = "The address for `--cache-store`."
  value       = var.cache_store
}

output "extras" {
  description = "The extras to install, sorted."
  value       = sort(var.extras)
}

output "emailproxy" {
  description = "Everything that the proxy needs, for `emailproxy deploy-config`: pass it on as an output `emailproxy` of your own."
  value = {
    format      = 1
    sections    = local.sections
    cache_store = var.cache_store
    extras      = sort(var.extras)
    next_steps  = var.next_steps
  }
}
