variable "name" {
  description = "The machine's name, and the beginning of the names of what belongs to it. The role has exactly this name, so that its ARN is known before it is there."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,49}$", var.name))
    error_message = "name has 1 to 50 letters, digits and hyphens, and begins with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC of the machine."
  type        = string
  nullable    = false
}

variable "subnet_id" {
  description = "The subnet of the machine: a private one with a NAT gateway. The proxy calls the token endpoint, the mail servers and its store."
  type        = string
  nullable    = false
}

variable "instance_type" {
  description = "The machine's type, of the same architecture as `architecture`. The proxy needs one core and 1 GiB for some hundred clients."
  type        = string
  default     = "t4g.micro"
  nullable    = false
}

variable "architecture" {
  description = "`arm64` or `amd64`."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "amd64"], var.architecture)
    error_message = "architecture is arm64 or amd64."
  }
}

variable "ami_id" {
  description = "The machine's image: Debian 12 or newer, or Ubuntu 24.04 or newer. `null`: today's Debian 12 of Debian's own account. A later one does not replace the machine."
  type        = string
  default     = null
}

variable "issue_web_identity_tokens" {
  description = "Whether the role may ask AWS for tokens that prove to Entra who it is (`client_assertion = aws`), for the audience `api://AzureADTokenExchange` and its kin."
  type        = bool
  default     = false
  nullable    = false
}

variable "session_manager" {
  description = "Whether administrators reach the machine by Systems Manager, which needs no open port. There is no SSH."
  type        = bool
  default     = true
  nullable    = false
}

variable "role_policy_arns" {
  description = "Further policies of the machine's role: any name, and the ARN."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "permissions_boundary" {
  description = "The ARN of the permissions boundary of the role; `null`: none."
  type        = string
  default     = null
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
