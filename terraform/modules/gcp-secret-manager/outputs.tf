locals {
  options = compact(concat(
    [length(var.replication) > 0 ? "replication=${join(",", var.replication)}" : ""],
    [for place in local.key_locations : "kms_key=${google_kms_crypto_key.this[place].id}"],
  ))
}

output "cache_store" {
  description = "The address for `--cache-store`, and for the module configuration."
  value = join("", [
    "gcp:projects/${var.project}${var.location == null ? "" : "/locations/${var.location}"}/secrets/${var.secret_prefix}",
    length(local.options) > 0 ? "?${join("&", local.options)}" : "",
  ])

  # Who reads the address may begin to use it.
  depends_on = [
    google_project_iam_member.store, google_project_iam_member.create, google_project_service.secretmanager,
    google_kms_crypto_key_iam_member.agent,
  ]
}

output "seal_key" {
  description = "The reference to the service key, for `settings.seal_key`; `null` if this module keeps none."
  value       = var.seal_key_version == 0 ? null : "gcp:projects/${var.project}/secrets/${local.seal_key_name}"
}

output "role_id" {
  description = "The role with the least rights that the proxy needs, for further members."
  value       = google_project_iam_custom_role.store.id
}

output "extras" {
  description = "The extras that the proxy needs for this store."
  value       = ["gcp"]
}
