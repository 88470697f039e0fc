terraform {
  # 1.11: ephemeral values and write-only arguments, in Terraform and in OpenTofu.
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.25.0 is the version whose schema this module is checked against.
      version = ">= 6.25.0, < 7.0.0"
    }
  }
}
