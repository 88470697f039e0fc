resource "google_project_iam_custom_role" "store" {
  project     = var.project
  role_id     = var.role_id
  title       = "emailproxy store"
  description = "Reads and writes secrets, and destroys the versions that it has replaced; cannot delete or list."
  stage       = "GA"

  permissions = [
    "secretmanager.secrets.get",
    "secretmanager.secrets.update",
    "secretmanager.versions.access",
    "secretmanager.versions.add",
    "secretmanager.versions.destroy",
  ]
}

resource "google_project_iam_member" "store" {
  for_each = var.members

  project = var.project
  role    = google_project_iam_custom_role.store.id
  member  = each.value

  condition {
    title       = "emailproxy-prefix"
    description = "Only secrets whose names begin with ${var.secret_prefix}-."
    expression  = "resource.name.startsWith(\"${local.parent}/secrets/${var.secret_prefix}-\")"
  }
}

# A secret that is not there yet has no name that a condition could be about: creating is a right on the project, and a role of its own.
resource "google_project_iam_custom_role" "create" {
  count = var.proxy_creates_secrets ? 1 : 0

  project     = var.project
  role_id     = "${var.role_id}Create"
  title       = "emailproxy store, new accounts"
  description = "Creates secrets; neither reads nor writes them."
  stage       = "GA"
  permissions = ["secretmanager.secrets.create"]
}

resource "google_project_iam_member" "create" {
  for_each = var.proxy_creates_secrets ? var.members : {}

  project = var.project
  role    = google_project_iam_custom_role.create[0].id
  member  = each.value
}

resource "google_secret_manager_secret_iam_member" "seal_key" {
  for_each = var.seal_key_version > 0 ? var.members : {}

  project   = var.project
  secret_id = google_secret_manager_secret.seal_key[0].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = each.value
}
