output "script" {
  description = "The script, for an Exchange administrator with PowerShell 7: as it is it grants, `-Check` only looks, `-Undo` takes back."
  value       = local.script
}

output "command" {
  description = "How the script is run, if this module's script is the root's output `exchange_script`."
  value       = "tofu output -raw exchange_script > exchange-access.ps1 && pwsh -File exchange-access.ps1"
}
