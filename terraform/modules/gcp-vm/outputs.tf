output "service_account_email" {
  description = "The service account's address."
  value       = google_service_account.this.email
}

output "member" {
  description = "The service account as IAM names it, for the store's `members`."
  value       = google_service_account.this.member
}

output "unique_id" {
  description = "The service account's number: the client id for domain-wide delegation, and the subject of a federated credential in Entra."
  value       = google_service_account.this.unique_id
}

output "private_ip" {
  description = "The address that mail clients in the network connect to."
  value       = google_compute_instance.this.network_interface[0].network_ip
}

output "user_data" {
  description = "The user data (cloud-init) that the machine starts with."
  value       = local.user_data
}
