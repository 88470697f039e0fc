resource "google_compute_firewall" "mail" {
  project                 = var.project
  name                    = "${var.name}-mail"
  network                 = var.network
  description             = "Mail clients reach the proxy."
  source_ranges           = var.client_ranges
  target_service_accounts = [google_service_account.this.email]

  allow {
    protocol = "tcp"
    ports    = [for port in var.ports : tostring(port)]
  }
}

resource "google_compute_firewall" "ssh" {
  count = var.iap_ssh ? 1 : 0

  project     = var.project
  name        = "${var.name}-ssh"
  network     = var.network
  description = "Administrators, by Identity-Aware Proxy."
  # The addresses of Identity-Aware Proxy.
  source_ranges           = ["35.235.240.0/20"]
  target_service_accounts = [google_service_account.this.email]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}
