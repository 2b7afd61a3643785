"""Public tables: this project's estimators, without arguments, beside usual methods of scikit-learn and LightGBM."""
