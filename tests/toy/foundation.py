"""Foundation models of other libraries, tiny and with random weights."""

from __future__ import annotations

import json

import timm
import torch
from timm.models._hub import save_for_hf

SIZES = dict(
    embed_dim=4,
    vision_cfg=dict(image_size=32, layers=2, width=64, patch_size=8),
    text_cfg=dict(context_length=8, vocab_size=20, width=8, heads=2, layers=1),
)
VISION = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    image_size=32,
    patch_size=8,
)
TEXT = dict(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    vocab_size=20,
)


def write_timm(folder, name='test_vit', seed=0, **settings):
    """Write a model as timm writes it for the hub."""
    torch.manual_seed(seed)
    model = timm.create_model(name, num_classes=3, **settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_for_hf(model, folder, safe_serialization=True)
    return model


def write_open_clip(folder, seed=0, sizes=SIZES):
    """Write a model as open_clip writes it for the hub."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'm3i-tiny-clip.json'
    path.write_text(json.dumps(sizes))
    open_clip.add_model_config(path)
    model = open_clip.create_model('m3i-tiny-clip').eval()
    save_file(model.state_dict(), folder / 'open_clip_model.safetensors')
    config = dict(
        model_cfg=sizes,
        preprocess_cfg=dict(mean=[0.4, 0.5, 0.6], std=[0.2, 0.25, 0.3]),
    )
    (folder / 'open_clip_config.json').write_text(json.dumps(config))
    return model


def hugging_face_config(kind):
    """Configure a tiny model of Transformers."""
    import transformers

    if kind == 'clip':
        return transformers.CLIPConfig(
            vision_config=VISION, text_config=TEXT, projection_dim=6
        )
    if kind == 'siglip':
        return transformers.SiglipConfig(
            vision_config=VISION, text_config=TEXT
        )
    return transformers.AutoConfig.for_model(kind, **VISION)


def write_hugging_face(folder, kind, seed=0):
    """Write a model as Transformers does, with its image processor."""
    import transformers

    torch.manual_seed(seed)
    model = transformers.AutoModel.from_config(hugging_face_config(kind))
    model.save_pretrained(folder, safe_serialization=True)
    settings = dict(image_mean=[0.5] * 3, image_std=[0.25] * 3)
    path = folder / 'preprocessor_config.json'
    path.write_text(json.dumps(settings))
    return model.eval()
