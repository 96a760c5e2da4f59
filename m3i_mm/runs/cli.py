"""The command lines of ``tools/train.py`` and ``tools/test.py``.

One training and one test script serve pre-training, classification,
detection and segmentation: the ``default_scope`` of the config says which.
"""

from __future__ import annotations

import os
import os.path as osp
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import mmengine
from mmengine.config import Config
from mmengine.dist import get_rank, is_distributed
from mmengine.evaluator import DumpResults, Evaluator

from m3i_mm.checkpoints import install
from m3i_mm.checkpoints.addresses import look_up
from m3i_mm.checkpoints.reading import check_file
from m3i_mm.engine.hooks import StopHook, StoppedError
from m3i_mm.utils.mistakes import MistakeExit

from .arguments import (
    add_config_options,
    make_parser,
    output_file,
    whole_number,
)
from .building import build_runner
from .check import check_training
from .config import (
    complete_dataloaders,
    enable_mixed_precision,
    scale_learning_rate,
    set_resume,
    set_work_dir,
)
from .config_check import ConfigError, check_config
from .console import describe_run
from .explain import USER_ERRORS, explained_errors, one_line
from .folder import hold_folder
from .manifest import write_manifest
from .own_data import use_backbone, use_data
from .own_labels import is_downstream, use_labelled_pictures
from .processes import (
    die_with_launcher,
    end_processes,
    leave,
    require_launcher,
    setup_cpu_processes,
)
from .reading import config_of_released, read_config
from .run_folder import find_run
from .schedules import fit_schedules
from .tracking import TRACKERS, add_trackers

__all__ = ['main_test', 'main_train']


def _parser(description: str, example: str) -> ArgumentParser:
    parser = make_parser(description, example)
    parser.add_argument(
        '--work-dir',
        metavar='FOLDER',
        help='where logs and checkpoints go (default: work_dirs/CONFIG, or '
        'the folder of the run that is tested)',
    )
    add_config_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='what started the processes; dist_*.sh and slurm_*.sh set it',
    )
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=whole_number(0),
        default=0,
        help='passed by torch.distributed.launch',
    )
    return parser


def train_parser() -> ArgumentParser:
    """Return the parser of ``tools/train.py``."""
    parser = _parser(
        'Pre-train or fine-tune the model of a config.',
        '%(prog)s mine.py --cfg-options data_root=photos',
    )
    parser.add_argument(
        'config', help='config file, or name of a config of the package'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from a checkpoint; without a value from the last one '
        'in the work folder',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='train with mixed precision, bfloat16 unless '
        'optim_wrapper.dtype says otherwise',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the effective batch (processes x '
        'batch x accumulation) over auto_scale_lr.base_batch_size',
    )
    parser.add_argument(
        '--seed',
        type=whole_number(0, 2**32 - 1),
        help='random seed (default: that of the config)',
    )
    parser.add_argument(
        '--track',
        metavar='NAMES',
        default='',
        help=f'log to these as well, comma-separated: {", ".join(TRACKERS)}',
    )
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not evaluate during the training',
    )
    parser.add_argument(
        '--data',
        metavar='FOLDER',
        help='own data for a classifier (train/CLASS, val/CLASS), detector '
        '(COCO) or segmentor (images/train, masks/train, classes.txt); the '
        'heads follow',
    )
    parser.add_argument(
        '--backbone',
        metavar='RUN',
        help='start the backbone from the work folder of m3i pretrain, from '
        "a file of m3i publish, or from one of InternImage's authors by name",
    )
    parser.add_argument(
        '--save-on-signal',
        action='store_true',
        help='save before the end at SIGTERM and Ctrl-C too, as always at '
        "SIGUSR1, Slurm's warning (#SBATCH --signal=USR1@120)",
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='only try everything: build, two steps, a batch of every '
        'evaluation, a checkpoint',
    )
    return parser


def test_parser() -> ArgumentParser:
    """Return the parser of ``tools/test.py``."""
    parser = _parser(
        'Evaluate a checkpoint as the config says.',
        'm3i test mine.py runs/mine/epoch_12.pth --out metrics.json\n'
        '  m3i test runs/photos --data labelled\n'
        '  m3i test mask_rcnn_internimage_t_fpn_1x_coco.pth',
    )
    parser.add_argument(
        'config',
        help='config file, or name of a config of the package; or the work '
        'folder of a run, which stands for its config and last checkpoint',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help="checkpoint file, or name of a file of InternImage's authors, "
        'which may stand alone: its config is known',
    )
    parser.add_argument(
        '--data',
        metavar='FOLDER',
        help='own data in the place of that of the config: as of m3i train; '
        'of a pre-training any labelled pictures, which their nearest '
        'neighbours classify',
    )
    parser.add_argument(
        '--out',
        type=output_file('.json', '.yaml', '.yml', '.pkl', '.pickle'),
        metavar='FILE',
        help='write the metrics (.json, .yaml) or the predictions (.pkl)',
    )
    parser.add_argument(
        '--show-dir',
        metavar='FOLDER',
        help='draw the predictions into this folder',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="use the config's tta_model and tta_pipeline",
    )
    return parser


def load_config(
    args: Namespace,
    mode: str,
    change: Callable[[Config], None] = lambda cfg: None,
) -> Config:
    """Read the config of a command line and merge its common arguments.

    Args:
        args (Namespace): What :func:`train_parser` or :func:`test_parser`
            returned.
        mode (str): ``'train'`` or ``'test'``.
        change (Callable): What else is done to it before it is checked.

    Returns:
        Config: The config, checked.

    Raises:
        ConfigError: If the config cannot work as it is written.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config)
    change(cfg)
    # the last word is the user's
    cfg = read_config(cfg, args.cfg_options)
    cfg.launcher = args.launcher
    set_work_dir(cfg, args.work_dir)
    complete_dataloaders(cfg)
    check_config(cfg, mode)
    return cfg


def _train(args: Namespace) -> None:
    notes: list[str] = []

    def use_own(cfg: Config) -> None:
        if args.data:
            notes.append(use_data(cfg, args.data))
        if args.backbone:
            notes.append(use_backbone(cfg, args.backbone))

    cfg = load_config(args, 'train', use_own)
    notes += set_resume(cfg, args.resume)
    add_trackers(cfg, [name for name in args.track.split(',') if name])
    if args.amp:
        enable_mixed_precision(cfg)
    if args.auto_scale_lr:
        cfg.auto_scale_lr = dict(cfg.get('auto_scale_lr') or {}, enable=True)
    if args.seed is not None:
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=args.seed)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    setup_cpu_processes(cfg)
    notes += [scale_learning_rate(cfg), *fit_schedules(cfg)]
    if args.dry_run:
        print('\n'.join([*notes, *check_training(cfg)]))
        return
    stop = StopHook(save=args.save_on_signal)
    with explained_errors(cfg), _first_holds_folder(cfg), stop.listening():
        runner = build_runner(cfg)
        runner.register_hook(stop)
        for note in [describe_run(runner), *notes]:
            runner.logger.info(note)
        if runner.rank == 0:
            write_manifest(runner.log_dir)
        runner.train()


def _first_holds_folder(cfg: Config) -> AbstractContextManager[None]:
    first = not is_distributed() or get_rank() == 0
    return hold_folder(cfg.work_dir) if first else nullcontext()


def _test(args: Namespace) -> None:
    notes: list[str] = []
    _complete_test_arguments(args)

    def use_own(cfg: Config) -> None:
        if args.data:
            use = use_data if is_downstream(cfg) else use_labelled_pictures
            notes.append(use(cfg, args.data))

    cfg = load_config(args, 'test', use_own)
    if '://' not in look_up(args.checkpoint):
        check_file(args.checkpoint)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.tta:
        _use_test_time_augmentation(cfg)
    if args.show_dir:
        _draw_predictions(cfg, args.show_dir)
    setup_cpu_processes(cfg)
    with explained_errors(cfg):
        runner = build_runner(cfg)
        dump = args.out and args.out.endswith(('.pkl', '.pickle'))
        if dump:
            _evaluator(runner).metrics.append(DumpResults(args.out))
        for note in notes:
            runner.logger.info(note)
        metrics = runner.test()
    if args.out and not dump and runner.rank == 0:
        mmengine.dump(metrics, args.out)


def _complete_test_arguments(args: Namespace) -> None:
    """Find the config or checkpoint that the command line leaves out."""
    if osp.isdir(args.config):
        # m3i report finds there what was tested
        args.work_dir = args.work_dir or args.config
        args.config, last = find_run(args.config)
        args.checkpoint = args.checkpoint or last
    elif args.checkpoint is None:
        args.checkpoint = args.config
        args.config = config_of_released(args.checkpoint)


def _evaluator(runner: Any) -> Evaluator:
    loop = runner.test_loop
    if not hasattr(loop, 'evaluator'):
        raise ConfigError(
            f'--out: {type(loop).__name__} keeps no predictions to pickle, '
            'its metrics go to a .json or .yaml file'
        )
    return loop.evaluator


def _use_test_time_augmentation(cfg: Config) -> None:
    for key in ('tta_model', 'tta_pipeline'):
        if key not in cfg:
            raise ConfigError(f'--tta: {cfg.filename} has no {key!r}')
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


def _draw_predictions(cfg: Config, folder: str) -> None:
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise ConfigError(
            f'--show-dir: {cfg.filename} has no default_hooks.visualization'
        )
    if cfg.get('default_scope') in ('mmdet', 'mmseg'):
        hook.draw = True
        cfg.visualizer.save_dir = folder
    else:
        hook.update(enable=True, out_dir=folder)


def _run(
    main: Any, parser: ArgumentParser, arguments: Sequence[str] | None
) -> None:
    args = parser.parse_args(arguments)
    install()
    try:
        require_launcher(args.launcher)
        if args.launcher == 'pytorch':
            die_with_launcher()
        main(args)
    except StoppedError as error:
        leave(128 + error.number, str(error))
    except USER_ERRORS as error:
        raise MistakeExit(one_line(error)) from error
    end_processes()


def main_train(arguments: Sequence[str] | None = None) -> None:
    """Run ``tools/train.py``.

    Args:
        arguments (Sequence[str] | None): The command line. Defaults to that
            of the process.

    Raises:
        SystemExit: With one line, if the config or a checkpoint is wrong, a
            loss was not finite or a signal ended the run.
    """
    _run(_train, train_parser(), arguments)


def main_test(arguments: Sequence[str] | None = None) -> None:
    """Run ``tools/test.py``.

    Args:
        arguments (Sequence[str] | None): The command line. Defaults to that
            of the process.

    Raises:
        SystemExit: With one line, if the config or checkpoint is wrong.
    """
    _run(_test, test_parser(), arguments)
