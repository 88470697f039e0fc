variable "name" {
  description = "The machine's name, and that of what belongs to it."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.name))
    error_message = "name has 6 to 30 small letters, digits and hyphens, begins with a letter and ends with no hyphen."
  }
}

variable "project" {
  description = "The project of the machine."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is a project's id: 6 to 30 small letters, digits and hyphens."
  }
}

variable "zone" {
  description = "The zone of the machine, such as `europe-west3-a`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", var.zone))
    error_message = "zone is a zone, such as europe-west3-a."
  }
}

variable "network" {
  description = "The network, for the firewall's rules: its name or self link."
  type        = string
  nullable    = false
}

variable "subnetwork" {
  description = "The subnetwork of the machine. It needs a way out (Cloud NAT): the proxy calls the token endpoint and the mail servers."
  type        = string
  nullable    = false
}

variable "machine_type" {
  description = "The machine's type. The proxy needs one core and 1 GiB for some hundred clients."
  type        = string
  default     = "e2-micro"
  nullable    = false
}

variable "image" {
  description = "The machine's system. It must have cloud-init, as Ubuntu has, and Debian on Google Cloud has not."
  type        = string
  default     = "ubuntu-os-cloud/ubuntu-2404-lts-amd64"
  nullable    = false
}

variable "domain_wide_delegation" {
  description = "Whether the service account may sign for itself, which is what `client_id = adc` needs to open mailboxes of a Google Workspace without a key."
  type        = bool
  default     = false
  nullable    = false
}

variable "iap_ssh" {
  description = "Whether SSH is open to Identity-Aware Proxy (`gcloud compute ssh --tunnel-through-iap`), which asks who it is. Otherwise it is closed."
  type        = bool
  default     = true
  nullable    = false
}

variable "labels" {
  description = "Labels of everything that is made here and takes them."
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
