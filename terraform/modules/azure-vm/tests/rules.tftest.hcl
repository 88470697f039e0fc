mock_provider "azurerm" {
  mock_resource "azurerm_network_interface" {
    defaults = { id = "/subscriptions/s/resourceGroups/mail/providers/Microsoft.Network/networkInterfaces/emailproxy" }
  }
}

variables {
  resource_group_name = "mail"
  location            = "germanywestcentral"
  subnet_id           = "/subscriptions/s/resourceGroups/mail/providers/Microsoft.Network/virtualNetworks/mail/subnets/proxy"
  ssh_public_key      = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2SVlJ9TPXzqkXNfSyOUSvn0bsZrjhCcpfyxwbkfXnp"
  emailproxy_config   = "[IMAP-1993]\nprovider = office365\n\n[a@example.com]\nprovider = office365\nclient_id = x\n"
  cache_store         = "azure:mail-tokens"
  extras              = ["azure"]
  ports               = [1993, 1587]
  client_ranges       = ["10.0.0.0/16"]
}

run "no_way_in_but_for_mail" {
  command = apply
  assert {
    condition     = azurerm_network_interface.this.ip_configuration[0].public_ip_address_id == null && length(azurerm_public_ip.this) == 0
    error_message = "The machine has a public address."
  }
  assert {
    condition     = length(azurerm_network_security_rule.ssh) == 0
    error_message = "SSH is open."
  }
  assert {
    condition     = azurerm_network_security_rule.mail.source_address_prefixes == toset(["10.0.0.0/16"]) && azurerm_network_security_rule.mail.destination_port_ranges == toset(["1587", "1993"])
    error_message = "Other ports are open, or for others."
  }
  assert {
    condition     = azurerm_network_security_rule.nothing_else.access == "Deny" && azurerm_network_security_rule.nothing_else.priority == 4096
    error_message = "Everything from the virtual network comes in."
  }
  assert {
    condition     = azurerm_linux_virtual_machine.this.disable_password_authentication && azurerm_linux_virtual_machine.this.secure_boot_enabled && azurerm_linux_virtual_machine.this.encryption_at_host_enabled
    error_message = "The machine takes passwords, or boots what it likes, or is not encrypted."
  }
}

run "starts_with_the_configuration" {
  command = apply
  assert {
    condition     = strcontains(output.user_data, base64encode(var.emailproxy_config)) && strcontains(output.user_data, "azure:mail-tokens")
    error_message = "The user data lacks the configuration or the store."
  }
  assert {
    condition     = yamldecode(output.user_data).runcmd[0] == ["/usr/local/sbin/emailproxy-install", "emailproxy-cloud", "azure", "1587", "1993"]
    error_message = "The user data does not install what it should."
  }
  assert {
    condition     = azurerm_linux_virtual_machine.this.custom_data == base64encode(output.user_data)
    error_message = "The machine gets other user data."
  }
}

run "reachable_if_asked_for" {
  command = apply
  variables {
    public_ip  = true
    zone       = "1"
    ssh_ranges = ["10.0.9.0/26"]
  }
  assert {
    condition     = azurerm_network_interface.this.ip_configuration[0].public_ip_address_id == azurerm_public_ip.this[0].id
    error_message = "The public address is not the machine's."
  }
  assert {
    condition     = azurerm_network_security_rule.ssh[0].source_address_prefixes == toset(["10.0.9.0/26"])
    error_message = "SSH is open for others."
  }
}

run "refuses_the_whole_internet" {
  command = plan
  variables {
    client_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.client_ranges]
}

run "refuses_a_range_that_is_none" {
  command = plan
  variables {
    client_ranges = ["office"]
  }
  expect_failures = [var.client_ranges]
}

run "refuses_a_configuration_that_serves_nothing" {
  command = plan
  variables {
    emailproxy_config = "[a@example.com]\n"
  }
  expect_failures = [var.emailproxy_config]
}

run "refuses_a_secret_in_the_user_data" {
  command = plan
  variables {
    emailproxy_config = "[IMAP-1993]\n[a@example.com]\nclient_secret = the-secret\n"
  }
  expect_failures = [var.emailproxy_config]
}

run "refuses_tokens_on_the_machine" {
  command = plan
  variables {
    cache_store = "file:/var/lib/emailproxy/tokens"
  }
  expect_failures = [var.cache_store]
}

run "refuses_a_package_that_is_a_command" {
  command = plan
  variables {
    package = "emailproxy-cloud; reboot"
  }
  expect_failures = [var.package]
}

run "refuses_no_port" {
  command = plan
  variables {
    ports = []
  }
  expect_failures = [var.ports]
}

run "refuses_ssh_for_everybody" {
  command = plan
  variables {
    ssh_ranges = ["0.0.0.0/0"]
  }
  expect_failures = [var.ssh_ranges]
}

run "refuses_a_key_of_another_kind" {
  command = plan
  variables {
    ssh_public_key = "ecdsa-sha2-nistp256 AAAA"
  }
  expect_failures = [var.ssh_public_key]
}

run "refuses_an_administrator_that_azure_refuses" {
  command = plan
  variables {
    admin_username = "admin"
  }
  expect_failures = [var.admin_username]
}

run "refuses_a_bad_name" {
  command = plan
  variables {
    name = "proxy_1"
  }
  expect_failures = [var.name]
}
