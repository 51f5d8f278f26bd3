"""The routing mesh: published ports on every node, by nftables."""
