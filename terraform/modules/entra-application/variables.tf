variable "display_name" {
  description = "What the application is called in Entra."
  type        = string
  default     = "emailproxy"
  nullable    = false

  validation {
    condition     = length(trimspace(var.display_name)) > 0 && length(var.display_name) <= 120
    error_message = "display_name has 1 to 120 characters."
  }
}

variable "owners" {
  description = "Object ids of those who may change the application besides administrators. Without any, it is whoever applies this."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for owner in var.owners : can(regex("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", owner))])
    error_message = "Each of owners is the object id (a GUID) of a user or a service principal."
  }
}

variable "application_permissions" {
  description = "What the application may do without a person, in the mailboxes that Exchange gives it: `imap`, `pop`, `smtp`. See the module exchange-access."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for protocol in var.application_permissions : contains(["imap", "pop", "smtp"], protocol)])
    error_message = "application_permissions has only imap, pop and smtp."
  }
}

variable "delegated_permissions" {
  description = "What persons may let the application do in their own mailboxes: `imap`, `pop`, `smtp`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for protocol in var.delegated_permissions : contains(["imap", "pop", "smtp"], protocol)])
    error_message = "delegated_permissions has only imap, pop and smtp."
  }
  validation {
    condition     = length(var.delegated_permissions) + length(var.application_permissions) > 0
    error_message = "An application without application_permissions and delegated_permissions can do nothing."
  }
}

variable "consent_for_all_users" {
  description = "Whether an administrator's consent to `delegated_permissions` is given for everybody. Otherwise each person is asked, or their administrator."
  type        = bool
  default     = false
  nullable    = false
}

variable "redirect_uris" {
  description = "Where the browser comes back to after a person's consent, for the flow `authorization_code`; as `redirect_uri` in the configuration. `http://localhost` is good for every port."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for uri in var.redirect_uris : can(regex("^(https://[^\\s#?]+|http://(localhost|127\\.0\\.0\\.1)(:[0-9]+)?(/[^\\s#?]*)?)$", uri))])
    error_message = "Each of redirect_uris is https, or http://localhost[:PORT]; Entra takes nothing else."
  }
}

variable "device_flow" {
  description = "Whether the application may use the flow `device`: a public client, which shows a code that is entered anywhere."
  type        = bool
  default     = false
  nullable    = false
}

variable "sign_in_audience" {
  description = "Whose accounts may use it: `AzureADMyOrg` (this tenant's) or `AzureADMultipleOrgs`."
  type        = string
  default     = "AzureADMyOrg"
  nullable    = false

  validation {
    condition     = contains(["AzureADMyOrg", "AzureADMultipleOrgs"], var.sign_in_audience)
    error_message = "sign_in_audience is AzureADMyOrg or AzureADMultipleOrgs."
  }
}

variable "federated_credentials" {
  description = <<-EOT
    Who may prove that it is the application, instead of a secret; at most 20. The key is the credential's name.
    A managed identity: `issuer = "https://login.microsoftonline.com/TENANT/v2.0"`, `subject` = its *principal* id. Kubernetes: the cluster's issuer,
    `system:serviceaccount:NAMESPACE:NAME`. AWS: the account's issuer (`aws iam enable-outbound-web-identity-federation` prints it), the role's ARN.
    Google: `https://accounts.google.com`, the service account's number (`unique_id`).
  EOT
  type = map(object({
    issuer      = string
    subject     = string
    description = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = length(var.federated_credentials) <= 20
    error_message = "Entra takes at most 20 federated credentials for one application."
  }
  validation {
    condition     = alltrue([for name in keys(var.federated_credentials) : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$", name))])
    error_message = "The name of a federated credential has 3 to 120 letters, digits, hyphens and underscores, a letter or digit first."
  }
  validation {
    condition     = alltrue([for credential in values(var.federated_credentials) : startswith(credential.issuer, "https://") && length(credential.subject) > 0])
    error_message = "A federated credential has an issuer that begins with https://, and a subject. Entra would accept a wrong one and refuse every login."
  }
}

variable "cloud" {
  description = "Which of Microsoft's clouds: `public`, `usgovernment` or `china`."
  type        = string
  default     = "public"
  nullable    = false

  validation {
    condition     = contains(["public", "usgovernment", "china"], var.cloud)
    error_message = "cloud is public, usgovernment or china."
  }
}

variable "certificate" {
  description = "A certificate (PEM, without its key) that proves the application's identity, and when its trust ends (RFC 3339; `null`: with the certificate). The key never comes here."
  type = object({
    pem      = string
    end_date = optional(string)
  })
  default = null

  validation {
    condition     = var.certificate == null || can(regex("^\\s*-----BEGIN CERTIFICATE-----", try(var.certificate.pem, "")))
    error_message = "certificate.pem begins with -----BEGIN CERTIFICATE-----."
  }
  validation {
    condition     = !can(regex("PRIVATE KEY", try(var.certificate.pem, "")))
    error_message = "certificate.pem holds a private key, which would stand in the state; give the certificate alone."
  }
}

variable "client_secret_reference" {
  description = <<-EOT
    Where a client secret is to be kept, if there must be one: `azure:VAULT/secrets/NAME`, `aws:NAME` or `gcp:projects/P/secrets/S`. The provider can only create
    secrets that stand in the state, so this module creates none; the output `client_secret_script` is a script that makes one and puts it there. `null`: no secret.
  EOT
  type        = string
  default     = null

  validation {
    condition = var.client_secret_reference == null || can(regex(
      "^(azure:[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]/secrets/[0-9A-Za-z-]{1,127}|aws:[A-Za-z0-9/_+=.@-]{1,512}|gcp:projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]{1,255})$",
      var.client_secret_reference,
    ))
    error_message = "client_secret_reference is azure:VAULT/secrets/NAME, aws:NAME or gcp:projects/P/secrets/S."
  }
  validation {
    condition     = var.client_secret_reference == null || (length(var.federated_credentials) == 0 && var.certificate == null)
    error_message = "With federated_credentials or a certificate there is no need of a secret; leave client_secret_reference out."
  }
}
