resource "google_project_service" "cloudkms" {
  count = var.kms_key ? 1 : 0

  project            = var.project
  service            = "cloudkms.googleapis.com"
  disable_on_destroy = false
}

resource "google_kms_key_ring" "this" {
  for_each = toset(local.key_locations)

  project  = var.project
  name     = var.secret_prefix
  location = each.value

  depends_on = [google_project_service.cloudkms]
}

resource "google_kms_crypto_key" "this" {
  for_each = toset(local.key_locations)

  name            = "tokens"
  key_ring        = google_kms_key_ring.this[each.value].id
  rotation_period = "7776000s"
  labels          = var.labels

  lifecycle {
    # Without it, no token can be read.
    prevent_destroy = true
  }
}

# Secret Manager encrypts with the key by its own service agent.
resource "google_kms_crypto_key_iam_member" "agent" {
  for_each = toset(local.key_locations)

  crypto_key_id = google_kms_crypto_key.this[each.value].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
}
