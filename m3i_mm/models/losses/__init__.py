from .federated_focal_loss import FederatedFocalLoss, read_class_frequency

__all__ = ['FederatedFocalLoss', 'read_class_frequency']
