locals {
  script = templatefile("${path.module}/exchange-access.ps1.tftpl", {
    organization = var.organization
    client_id    = lower(var.client_id)
    object_id    = lower(var.service_principal_object_id)
    display_name = var.display_name
    mailboxes    = var.mailboxes
  })
}
