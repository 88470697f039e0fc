locals {
  user_data = templatefile("${path.module}/../../../infra/cloud-init/emailproxy.yaml.tftpl", {
    emailproxy_config = var.emailproxy_config
    cache_store       = var.cache_store
    extras            = sort(var.extras)
    package           = var.package
    ports             = sort([for port in var.ports : tostring(port)])
  })
}

resource "google_service_account" "this" {
  project      = var.project
  account_id   = var.name
  display_name = "emailproxy on ${var.name}"
}

# To sign for a mailbox the proxy asks IAM to sign as its own service account. That is a right like any other, and has to be given.
resource "google_service_account_iam_member" "signs_for_itself" {
  count = var.domain_wide_delegation ? 1 : 0

  service_account_id = google_service_account.this.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = google_service_account.this.member
}

# A change of the configuration replaces the machine. Nothing is lost by that, since the tokens are in the store.
resource "google_compute_instance" "this" {
  #checkov:skip=CKV_GCP_38:A disk without anything precious has Google's own keys; tokens are in the store.
  project      = var.project
  name         = var.name
  zone         = var.zone
  machine_type = var.machine_type
  labels       = var.labels
  tags         = [var.name]

  boot_disk {
    initialize_params {
      image = var.image
      size  = 10
      type  = "pd-balanced"
    }
  }

  # No access_config: no address in the internet.
  network_interface {
    subnetwork = var.subnetwork
  }

  service_account {
    email  = google_service_account.this.email
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    user-data              = local.user_data
    user-data-hash         = sha256(local.user_data)
    enable-oslogin         = "TRUE"
    block-project-ssh-keys = "TRUE"
    serial-port-enable     = "FALSE"
  }

  lifecycle {
    replace_triggered_by = [terraform_data.user_data]

    precondition {
      condition     = length(local.user_data) <= 262144
      error_message = "The configuration is too large for the machine's metadata (256 KiB); use @example.com for the accounts of a domain."
    }
  }
}

# Metadata can change while a machine runs, but cloud-init reads it only once.
resource "terraform_data" "user_data" {
  input = sha256(local.user_data)
}
