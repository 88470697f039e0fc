variable "name" {
  description = "The machine's name, and the beginning of the names of what belongs to it."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z]([A-Za-z0-9-]{0,48}[A-Za-z0-9])?$", var.name))
    error_message = "name has 1 to 50 letters, digits and hyphens, begins with a letter and ends with no hyphen."
  }
}

variable "resource_group_name" {
  description = "The resource group of the machine."
  type        = string
  nullable    = false
}

variable "location" {
  description = "The region, such as `germanywestcentral`."
  type        = string
  nullable    = false
}

variable "subnet_id" {
  description = "The subnet of the machine. It needs a way out (a NAT gateway or a firewall): the proxy calls Entra, the mail servers and its store."
  type        = string
  nullable    = false
}

variable "size" {
  description = "The machine's size. The proxy needs one core and 1 GiB for some hundred clients."
  type        = string
  default     = "Standard_B2ats_v2"
  nullable    = false
}

variable "zone" {
  description = "The availability zone; `null`: none in particular."
  type        = string
  default     = null
}

variable "image" {
  description = "The machine's system: Debian 12 or newer, or Ubuntu 24.04 or newer. Generation 2, for secure boot."
  type = object({
    publisher = string
    offer     = string
    sku       = string
    version   = optional(string, "latest")
  })
  default  = { publisher = "Canonical", offer = "ubuntu-24_04-lts", sku = "server" }
  nullable = false
}

variable "admin_username" {
  description = "The administrator's name on the machine."
  type        = string
  default     = "operator"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_-]{0,31}$", var.admin_username)) && !contains(["root", "admin", "administrator", "user", "test", "guest"], var.admin_username)
    error_message = "admin_username is a Linux user name, and none of those that Azure refuses (root, admin, …)."
  }
}

variable "ssh_public_key" {
  description = "The administrator's public SSH key: RSA or Ed25519. There is no password."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^ssh-(rsa|ed25519) [A-Za-z0-9+/=]+", var.ssh_public_key))
    error_message = "ssh_public_key begins with ssh-rsa or ssh-ed25519."
  }
}

variable "ssh_ranges" {
  description = "The networks (CIDR) from where SSH is open, such as that of a bastion. Without any it is closed."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.ssh_ranges : can(cidrhost(range, 0))]) && !contains(var.ssh_ranges, "0.0.0.0/0")
    error_message = "Each of ssh_ranges is a network such as 10.0.9.0/26, and not the whole internet."
  }
}

variable "public_ip" {
  description = "Whether the machine gets an address of its own in the internet. `client_ranges` holds all the same."
  type        = bool
  default     = false
  nullable    = false
}

variable "encryption_at_host" {
  description = "Whether temporary disks and caches are encrypted too. The subscription must have the feature: `az feature register --namespace Microsoft.Compute --name EncryptionAtHost`."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "emailproxy_config" {
  description = "The text of `emailproxy.config`, as the module configuration writes it. It must hold no secret: the machine's user data can be read by who may read the machine."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("(?m)^\\[(IMAP|POP|SMTP)-[0-9]+\\]", var.emailproxy_config))
    error_message = "emailproxy_config has no section such as [IMAP-1993], so nothing would be served."
  }
  validation {
    condition = alltrue([
      for found in regexall("(?im)^\\s*(?:client_secret|seal_key|seal_key_previous|jwt_key_passphrase)\\s*[=:]\\s*(\\S+)", var.emailproxy_config) :
      can(regex("^(azure|aws|gcp|file|env):", found[0]))
    ])
    error_message = "emailproxy_config holds a secret; write a reference to it (azure:, aws:, gcp:, file:, env:)."
  }
}

variable "cache_store" {
  description = "Where the proxy keeps tokens (`--cache-store`). A machine that is replaced goes on where the one before ended, so this is no file."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(azure|aws|gcp):[^'\\s]+$", var.cache_store))
    error_message = "cache_store begins with azure:, aws: or gcp:, and has neither blanks nor quotation marks."
  }
}

variable "extras" {
  description = "What is installed beside the proxy itself: the extras of its Python package."
  type        = set(string)
  nullable    = false
}

variable "package" {
  description = "What pip installs: `emailproxy-cloud`, `emailproxy-cloud==1.2.3`, or the URL of a wheel."
  type        = string
  default     = "emailproxy-cloud"
  nullable    = false

  validation {
    condition     = can(regex("^(https://\\S+\\.whl|[A-Za-z0-9][A-Za-z0-9._-]*([=<>~!]=?[A-Za-z0-9.*]+)?)$", var.package))
    error_message = "package is a name with or without a version, or the https address of a wheel."
  }
}

variable "ports" {
  description = "The ports that mail clients connect to, as in the configuration."
  type        = set(number)
  nullable    = false

  validation {
    condition     = length(var.ports) > 0 && alltrue([for port in var.ports : port >= 1 && port <= 65535 && floor(port) == port])
    error_message = "ports is not empty, and each is a whole number from 1 to 65535."
  }
}

variable "client_ranges" {
  description = "The networks (CIDR) whose mail clients may connect."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.client_ranges) > 0 && alltrue([for range in var.client_ranges : can(cidrhost(range, 0))])
    error_message = "client_ranges is not empty, and each is a network such as 10.0.0.0/16."
  }
  validation {
    condition     = !contains(var.client_ranges, "0.0.0.0/0") && !contains(var.client_ranges, "::/0")
    error_message = "client_ranges would let the whole internet try passwords; name the networks of your clients."
  }
}
