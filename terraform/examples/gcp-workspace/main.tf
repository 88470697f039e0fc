# No key file anywhere: IAM signs for the machine's service account, which the Workspace lets into the mailboxes.

locals {
  region = regex("^(.*)-[a-z]$", var.zone)[0]
}

resource "google_project_service" "this" {
  for_each = toset(["compute.googleapis.com", "iam.googleapis.com", "iamcredentials.googleapis.com", "gmail.googleapis.com"])

  project            = var.project
  service            = each.value
  disable_on_destroy = false
}

module "store" {
  source = "../../modules/gcp-secret-manager"

  project          = var.project
  secret_prefix    = var.name
  replication      = [local.region]
  members          = { machine = module.machine.member }
  seal_key         = var.seal_key
  seal_key_version = var.seal_key_version
}

module "configuration" {
  source = "../../modules/configuration"

  ports         = { imap = 1993, smtp = 1465 }
  mail_provider = "workspace"
  tls           = var.tls
  accounts      = { for mailbox in var.mailboxes : mailbox => {} }
  account_defaults = {
    oauth2_flow = "service_account"
    client_id   = "adc"
  }
  settings    = merge(module.store.seal_key == null ? {} : { seal_key = module.store.seal_key }, var.settings)
  cache_store = module.store.cache_store
  extras      = module.store.extras
  next_steps = [
    "Let the service account into the mailboxes: in the Workspace admin console, Security > API controls > Domain-wide delegation, add the client id ${module.machine.unique_id} with the scope https://mail.google.com/",
    "Point the devices to ${module.machine.private_ip}, ports 1993 (IMAP) and 1465 (SMTP).",
  ]
}

module "machine" {
  source = "../../modules/gcp-vm"

  name                   = var.name
  project                = var.project
  zone                   = var.zone
  network                = google_compute_network.this.name
  subnetwork             = google_compute_subnetwork.this.self_link
  client_ranges          = var.client_ranges
  domain_wide_delegation = true
  emailproxy_config      = module.configuration.text
  cache_store            = module.configuration.cache_store
  extras                 = module.configuration.extras
  ports                  = module.configuration.ports

  depends_on = [google_project_service.this]
}
