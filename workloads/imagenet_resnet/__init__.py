"""ResNet on images: imagenet_resnet, its variants and small siblings."""
