"""Few-sample BERT fine-tuning: Zhang et al. (ICLR 2021), reproduced and extended on Lightning."""
