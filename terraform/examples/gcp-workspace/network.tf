# A network with one subnetwork and a way out. Give the machine a network of your own instead if you have one that your clients reach.

resource "google_compute_network" "this" {
  #checkov:skip=CKV2_GCP_18:Its firewall comes with the machine (module gcp-vm); the network has none of the default rules.
  project                 = var.project
  name                    = var.name
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "this" {
  #checkov:skip=CKV_GCP_76:There is no IPv6 here to be private.
  project                  = var.project
  name                     = var.name
  region                   = local.region
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.ip_range
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_router" "this" {
  project = var.project
  name    = var.name
  region  = local.region
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  project                            = var.project
  name                               = var.name
  region                             = local.region
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
