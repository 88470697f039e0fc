data "google_project" "this" {
  project_id = var.project
}

locals {
  # Resource names in conditions have the project's number.
  parent        = "projects/${data.google_project.this.number}${var.location == null ? "" : "/locations/${var.location}"}"
  seal_key_name = "${var.secret_prefix}_service_key"

  # A global secret whose place Google decides takes a key of the place "global".
  key_locations = !var.kms_key ? [] : var.location != null ? [var.location] : length(var.replication) > 0 ? var.replication : ["global"]
}

resource "google_project_service" "secretmanager" {
  project = var.project
  service = "secretmanager.googleapis.com"

  # Others may use it too.
  disable_on_destroy = false
}

# Global also where the accounts' secrets are regional: a reference to a regional one would have to name the region's endpoint.
resource "google_secret_manager_secret" "seal_key" {
  count = var.seal_key_version > 0 ? 1 : 0

  project   = var.project
  secret_id = local.seal_key_name
  labels    = var.labels

  replication {
    dynamic "auto" {
      for_each = length(var.replication) == 0 ? [1] : []
      content {}
    }

    dynamic "user_managed" {
      for_each = length(var.replication) == 0 ? [] : [var.replication]
      content {
        dynamic "replicas" {
          for_each = user_managed.value
          content {
            location = replicas.value
          }
        }
      }
    }
  }

  depends_on = [google_project_service.secretmanager]
}

resource "google_secret_manager_secret_version" "seal_key" {
  count = var.seal_key_version > 0 ? 1 : 0

  secret                 = google_secret_manager_secret.seal_key[0].id
  secret_data_wo         = var.seal_key
  secret_data_wo_version = var.seal_key_version

  # A key that is replaced is still needed until every record is sealed anew.
  deletion_policy = "ABANDON"
}
