"""Evidence bundles: one complaint or one period, provable by somebody who has nothing of ours."""
