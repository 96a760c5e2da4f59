"""Write one encoder of a training checkpoint to a file for others to load."""

import os

from m3i_mm.checkpoints.publishing import FORMATS, PARTS, publish
from m3i_mm.runs.arguments import make_parser
from m3i_mm.runs.explain import errors_in_one_line
from m3i_mm.runs.run_folder import checkpoint_of


@errors_in_one_line()
def main() -> None:
    """Read the command line and publish."""
    parser = make_parser(
        __doc__ or '',
        'm3i publish runs/photos backbone\n'
        '  m3i publish work_dirs/mine/epoch_10.pth backbone',
    )
    parser.add_argument(
        'checkpoint',
        metavar='RUN',
        help='training checkpoint of M3I, or the work folder of a run, which '
        'stands for its last one',
    )
    parser.add_argument(
        'out',
        help='path of the result; gets the first 8 digits of its SHA-256 and '
        'the suffix of the format (timm, hub: a folder, named as it is)',
    )
    parser.add_argument(
        '--part',
        choices=list(PARTS),
        default='student',
        help='the trained image encoder, its momentum average, or the text '
        'encoder (default: %(default)s)',
    )
    parser.add_argument(
        '--format',
        choices=[*FORMATS, 'timm', 'hub'],
        default='backbone',
        help='backbone: names of the backbone; safetensors: the same, for any '
        'library; mmpretrain: with "backbone." and "neck." in front. Each '
        'loads by init_cfg=dict(type="Pretrained", checkpoint=...) of a '
        'backbone; timm: a folder for timm.create_model("local-dir:OUT"); '
        'hub: a folder of the whole model for M3IModel.from_pretrained, with '
        'a model card '
        '(default: %(default)s)',
    )
    args = parser.parse_args()
    args.checkpoint = checkpoint_of(args.checkpoint)
    if args.format == 'timm':
        from m3i_mm.timm import publish_for_timm

        print(publish_for_timm(args.checkpoint, args.out, args.part))
    elif args.format == 'hub':
        print(_publish_for_hub(args.checkpoint, args.out))
    else:
        print(publish(args.checkpoint, args.out, args.part, args.format))


def _publish_for_hub(checkpoint: str, out: str) -> str:
    """Write a whole model; the card tells what its run left beside it."""
    from m3i_mm.apis import M3IModel
    from m3i_mm.reports import RunFolderError, card_facts

    try:
        facts = card_facts(os.path.dirname(os.path.abspath(checkpoint)))
    except RunFolderError:
        facts = {}
    hub = M3IModel.from_checkpoint(checkpoint)
    hub.save_pretrained(out, model_card_kwargs=facts)
    return out


if __name__ == '__main__':
    main()
