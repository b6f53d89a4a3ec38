"""Operations on tensors, one folder each: a reference in plain torch and what is faster."""
