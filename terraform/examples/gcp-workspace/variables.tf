variable "project" {
  description = "The Google Cloud project; best one of its own."
  type        = string
  nullable    = false
}

variable "zone" {
  description = "The zone of the machine."
  type        = string
  default     = "europe-west3-a"
  nullable    = false
}

variable "name" {
  description = "The beginning of all names here."
  type        = string
  default     = "emailproxy"
  nullable    = false
}

variable "ip_range" {
  description = "The range of the subnetwork that is made here."
  type        = string
  default     = "10.77.0.0/24"
  nullable    = false
}

variable "mailboxes" {
  description = "The mailboxes that devices and programs use: mail addresses."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.mailboxes) > 0
    error_message = "Name at least one of mailboxes."
  }
}

variable "client_ranges" {
  description = "The networks (CIDR) whose mail clients may connect: your office's, as it arrives here by VPN or peering."
  type        = set(string)
  default     = ["10.0.0.0/8"]
  nullable    = false
}

variable "seal_key" {
  description = "The service key that seals what the proxy keeps: `export TF_VAR_seal_key=$(emailproxy seal init -)`, for the first apply only. Write-only."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "seal_key_version" {
  description = "Raise it to write `seal_key` anew; see the store's module first."
  type        = number
  default     = 1
  nullable    = false
}

variable "tls" {
  description = "The certificate that mail clients see: references such as `azure:VAULT/secrets/NAME`, see the module configuration. `null`: none; then keep the proxy to networks that you trust."
  type = object({
    certificate = string
    key         = optional(string)
    starttls    = optional(bool, false)
  })
  default = null
}

variable "settings" {
  description = "Further options of `[emailproxy]`, such as `seal_key_previous` (a reference) or `notify_url` (a reference)."
  type        = map(string)
  default     = {}
  nullable    = false
}
