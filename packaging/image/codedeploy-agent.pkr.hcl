# An AMI of Amazon Linux 2023 with the agent, which is not started on the build host and starts at the first boot.
#   packer init . && packer build -var package=codedeploy-agent-VERSION-1.x86_64.rpm -var sums=SHA256SUMS .

packer {
  required_version = ">= 1.9.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.8"
    }
  }
}

variable "package" {
  type        = string
  description = "The agent's package, an rpm on this computer"
}

variable "sums" {
  type        = string
  description = "The file SHA256SUMS that came with the package"
}

variable "region" {
  type    = string
  default = "us-east-1"
}

source "amazon-ebs" "agent" {
  ami_name      = "codedeploy-agent-${formatdate("YYYYMMDDhhmmss", timestamp())}"
  instance_type = "t3.small"
  region        = var.region
  ssh_username  = "ec2-user"
  # Instances of the image have metadata with tokens only.
  imds_support = "v2.0"
  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }
  source_ami_filter {
    filters = {
      name                = "al2023-ami-2023.*-x86_64"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    most_recent = true
    owners      = ["amazon"]
  }
}

build {
  sources = ["source.amazon-ebs.agent"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/${basename(var.package)}"
  }

  provisioner "file" {
    source      = var.sums
    destination = "/tmp/SHA256SUMS"
  }

  provisioner "file" {
    source      = "${path.root}/install.sh"
    destination = "/tmp/install.sh"
  }

  provisioner "shell" {
    inline = [
      "cd /tmp && sha256sum --check --ignore-missing --strict SHA256SUMS",
      "sudo sh /tmp/install.sh /tmp/${basename(var.package)}",
      "rm /tmp/install.sh /tmp/SHA256SUMS /tmp/${basename(var.package)}",
    ]
  }
}
