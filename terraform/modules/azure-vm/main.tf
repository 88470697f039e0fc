locals {
  user_data = templatefile("${path.module}/../../../infra/cloud-init/emailproxy.yaml.tftpl", {
    emailproxy_config = var.emailproxy_config
    cache_store       = var.cache_store
    extras            = sort(var.extras)
    package           = var.package
    ports             = sort([for port in var.ports : tostring(port)])
  })
}

# Of the user-assigned kind: only that can be federated with an application in Entra, and it outlives the machine.
resource "azurerm_user_assigned_identity" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_public_ip" "this" {
  count = var.public_ip ? 1 : 0

  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = var.zone == null ? null : [var.zone]
  tags                = var.tags
}

resource "azurerm_network_interface" "this" {
  #checkov:skip=CKV2_AZURE_39:See CKV_AZURE_119; and nobody has a password that the serial console would take.
  #checkov:skip=CKV_AZURE_119:There is a public address only if public_ip asks for one, and even then only client_ranges come through.
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  ip_configuration {
    name                          = "primary"
    subnet_id                     = var.subnet_id
    private_ip_address_allocation = "Dynamic"
    public_ip_address_id          = one(azurerm_public_ip.this[*].id)
  }
}

# A change of the configuration replaces the machine. Nothing is lost by that, since the tokens are in the store.
resource "azurerm_linux_virtual_machine" "this" {
  name                = var.name
  resource_group_name = var.resource_group_name
  location            = var.location
  size                = var.size
  zone                = var.zone
  tags                = var.tags

  network_interface_ids = [azurerm_network_interface.this.id]
  custom_data           = base64encode(local.user_data)

  admin_username                  = var.admin_username
  disable_password_authentication = true
  allow_extension_operations      = false
  encryption_at_host_enabled      = var.encryption_at_host
  secure_boot_enabled             = true
  vtpm_enabled                    = true
  patch_mode                      = "ImageDefault"
  patch_assessment_mode           = "ImageDefault"

  admin_ssh_key {
    username   = var.admin_username
    public_key = var.ssh_public_key
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this.id]
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "StandardSSD_LRS"
  }

  source_image_reference {
    publisher = var.image.publisher
    offer     = var.image.offer
    sku       = var.image.sku
    version   = var.image.version
  }

  # In an account that Azure manages: what the machine says while it starts.
  boot_diagnostics {}

  lifecycle {
    precondition {
      # Azure's limit, in base64.
      condition     = length(base64encode(local.user_data)) <= 87380
      error_message = "The configuration is too large for the machine's user data (64 KiB); use @example.com for the accounts of a domain."
    }
  }

  depends_on = [azurerm_network_interface_security_group_association.this]
}
