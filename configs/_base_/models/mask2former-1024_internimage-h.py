# Mask2Former of 1024 channels and 200 queries on InternImage-H
_base_ = './mask2former_internimage-h.py'

width = 1024
attention = dict(embed_dims=width, num_heads=32)
feed_forward = dict(embed_dims=width, feedforward_channels=4 * width)
model = dict(
    decode_head=dict(
        feat_channels=width,
        out_channels=width,
        num_queries=200,
        pixel_decoder=dict(
            encoder=dict(
                layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=feed_forward)
            ),
            positional_encoding=dict(num_feats=width // 2),
        ),
        positional_encoding=dict(num_feats=width // 2),
        transformer_decoder=dict(
            layer_cfg=dict(
                self_attn_cfg=attention,
                cross_attn_cfg=attention,
                ffn_cfg=feed_forward,
            ),
        ),
    ),
)
