terraform {
  # 1.11: ephemeral values, in Terraform and in OpenTofu.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    azuread = {
      source = "hashicorp/azuread"
      # 3.7.0 is the version whose schema this module is checked against.
      version = ">= 3.7.0, < 4.0.0"
    }
  }
}
