"""Every class that a config can name is built here at least once.

Most have tests of what they compute elsewhere; this table is complete, so a
class that nobody builds cannot be forgotten. What it holds is the least that
a config has to say.
"""

import importlib
import io
import json
import pkgutil
import tarfile
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from toy import squares
from toy.downstream import ROOT, read_config, shrink
from toy.shards import picture, write_shards

import m3i_mm
from m3i_mm import registry
from m3i_mm.registry import DATASETS, MODELS
from m3i_mm.runs import building, check  # noqa: F401

pytestmark = pytest.mark.openmmlab

RESNET = dict(type='mmpretrain.ResNet', depth=18, base_channels=4)
SMALL = dict(channels=8, depths=(1, 1, 1, 1), groups=(1, 2, 4, 8))
TEXT = dict(
    type='TextTransformer',
    vocab_size=20,
    out_dims=4,
    embed_dims=4,
    depth=1,
    num_heads=1,
)
CODES = dict(patch_size=4, num_codes=8, embed_dims=4)
VIEW = dict(type='m3i_mm.RandomView', size=8)

# registry -> class -> arguments
SETTINGS = dict(
    FUNCTIONS={'collate_annotated': dict(samples=[])},
    HOOKS={
        name: {}
        for name in (
            'AccumulatedGradientsHook',
            'AnnotationHook',
            'CatchUpValidationHook',
            'ChannelsLastHook',
            'CheckpointFitHook',
            'CheckpointHook',
            'ClassCountHook',
            'DataReportHook',
            'EqualBuffersHook',
            'MomentumUpdateHook',
            'NonFiniteLossHook',
            'OptimizerStepSchedulerHook',
            'ProgressBarHook',
            'ResumeStateHook',
            'StopHook',
        )
    },
    METRICS=dict(
        KNNAccuracy={},
        LinearProbe={},
        ZeroShotAccuracy=dict(class_names=['cat', 'dog']),
        InstanceRetrieval=dict(field='concept'),
        ImageTextRetrieval={},
        SegmentationProbe=dict(classes=['sky', 'road']),
        LVISMetric=dict(ann_file=None, format_only=True, outfile_prefix='x'),
    ),
    MODELS=dict(
        PixelFeatures={},
        BatchNorm=dict(num_features=4),
        DCNv3=dict(channels=8),
        InternImage=dict(arch=SMALL),
        CompositeInternImage=dict(arch=SMALL),
        ConvPoolingNeck=dict(in_channels=4, out_channels=8),
        StageFusion=dict(in_channels=[4, 8], out_channels=8),
        AttentionPoolingNeck=dict(in_channels=8, out_channels=8, num_heads=2),
        FederatedFocalLoss=dict(class_frequency=[1.0, 2.0]),
        PrototypeHead=dict(
            in_channels=4,
            num_prototypes=4,
            hidden_channels=4,
            bottleneck_channels=4,
        ),
        ConvProjector=dict(in_channels=4, hidden_channels=4, out_channels=4),
        SimpleFeaturePyramid=dict(in_channels=8, out_channels=8),
        UniformMask={},
        BlockMask={},
        FrozenEncoder=dict(backbone=RESNET),
        SingleView={},
        CombinedInputs=dict(inputs=[dict(type='SingleView')]),
        BothViews={},
        MultiCrop={},
        PatchMix={},
        PatchMask=dict(fill=dict(type='FillPixels')),
        FillPixels={},
        DropPatches={},
        MaskToken=dict(embed_dims=4),
        PoolingDecoder={},
        DenseDecoder={},
        AttentionPoolingDecoder=dict(in_dims=4, out_dims=4, num_heads=1),
        TransformerDecoder=dict(
            in_dims=4, out_dims=4, embed_dims=8, depth=1, num_heads=1
        ),
        CategoryTarget=dict(num_classes=2, embed_dims=4),
        DenseFeatures={},
        GlobalFeatures={},
        ProjectedFeatures=dict(layers=[]),
        MatchedFeatures={},
        Pixels={},
        CodeTarget=dict(
            tokenizer=dict(type='RandomProjectionTokenizer', **CODES),
            num_codes=8,
            embed_dims=4,
        ),
        RandomProjectionTokenizer=CODES,
        TextTarget=dict(text_encoder=TEXT),
        TextTransformer={k: v for k, v in TEXT.items() if k != 'type'},
        Categorical={},
        SoftCategorical=dict(assignment=dict(type='Sinkhorn')),
        Sinkhorn={},
        Centering=dict(num_prototypes=4),
        SupervisedContrast={},
        SigmoidContrast={},
        Contrast={},
        Gaussian={},
        CrossCorrelation=dict(embed_dims=4),
        BatchNegatives={},
        QueueNegatives=dict(embed_dims=4, length=8),
        UniGradTerm={},
        PlaceAndTimeHead=dict(num_classes=2, in_channels=4),
        FixedWeights=dict(names=['intra']),
        LearnedWeights=dict(names=['intra']),
        ViTDet=dict(
            arch=dict(
                embed_dims=8,
                num_layers=2,
                num_heads=2,
                feedforward_channels=8,
                global_attn_indexes=(1,),
            ),
            img_size=32,
            window_size=2,
        ),
    ),
    STRATEGIES=dict(FullyShardedStrategy={}, ShardedStrategy={}),
    TOKENIZER=dict(CLIPTokenizer={}, OpenCLIPTokenizer=dict(name='ViT-B-32')),
    TRANSFORMS=dict(
        ColorMatrix={},
        RandomBlur={},
        Labels={},
        LabelName=dict(classes=['cat', 'dog']),
        DecodeImage={},
        Background={},
        ChooseText={},
        CleanText={},
        Tokenize={},
        RandomView=dict(size=8),
        CenterView=dict(size=8),
        MultiViewWithGeometry=dict(transforms=[[VIEW], [VIEW]]),
    ),
)
# what is built by a test below, or needs more than the libraries here
ELSEWHERE = dict(
    DATASETS={
        'ClassFolders',
        'ClassTarsSource',
        'HuggingFaceSource',
        'INaturalist2018',
        'ImageFolderSource',
        'ImageNetSource',
        'ImageTextListSource',
        'MapillaryAsCityscapes',
        'MixtureDataset',
        'NYUDepthV2Dataset',
        'PairedFilesSource',
        'ShardSource',
        'SourceDataset',
    },
    DATA_SAMPLERS={'StreamBatchSampler'},
    LOOPS={'CheckEpochLoop', 'CheckIterLoop', 'FeatureEvalLoop'},
    MODELS={
        'Boltzmann',  # refuses, and says what to take
        'ChannelStatistics',  # test_standardization.py
        'CompositeDINO',
        'FoundationBackbone',  # test_foundation/
        'HuggingFaceTextEncoder',  # test_text_encoders.py
        'M3I',
        'MomentumEncoder',
        'OpenCLIPTextEncoder',  # test_text_encoders.py
        'PixelPatches',  # test_segmentation.py
        'ProbabilityMask2FormerHead',
        'PublishedDINO',
        'PublishedDINOHead',
        'Teacher',  # test_teachers.py
    },
    OPTIM_WRAPPERS={
        'MixedPrecisionOptimWrapper',
        'ShardedOptimWrapper',
        'ZeroOptimWrapper',
    },
    OPTIM_WRAPPER_CONSTRUCTORS={'LayerDecayOptimWrapperConstructor'},
    PARAM_SCHEDULERS={'WarmupCosineLR'},
    STRATEGIES={'ZeroStrategy'},  # needs DeepSpeed: test_large_batch.py
    TOKENIZER={'HuggingFaceTokenizer'},  # test_text_encoders.py
)


def registered():
    """Return the classes of this package by registry, and their names."""
    for module in pkgutil.walk_packages(m3i_mm.__path__, 'm3i_mm.'):
        if not module.name.endswith(('__main__', '.moved')):
            importlib.import_module(module.name)
    return {
        name: {
            key
            for key, built in node.module_dict.items()
            if built.__module__.startswith('m3i_mm.')
        }
        for name, node in vars(registry).items()
        if isinstance(node, registry.Registry)
    }


def test_the_table_is_complete():
    found = registered()
    here = {
        name: set(SETTINGS.get(name, {})) | ELSEWHERE.get(name, set())
        for name in found
    }
    assert here == found


@pytest.mark.parametrize(
    ('kind', 'name'),
    [(kind, name) for kind, names in SETTINGS.items() for name in names],
)
def test_a_class_is_built(kind, name):
    node = getattr(registry, kind)
    if kind == 'FUNCTIONS':
        assert callable(node.get(f'm3i_mm.{name}'))
        return
    for place in ('backbones.vitdet', 'heads.place_and_time_head'):
        importlib.import_module(f'm3i_mm.models.{place}')
    importlib.import_module('m3i_mm.evaluation.detection')
    settings = dict(SETTINGS[kind][name], type=f'm3i_mm.{name}')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        built = node.build(Config(dict(built=settings)).built)
    assert type(built).__name__ == name


@pytest.mark.parametrize(
    ('config', 'names'),
    [
        (
            'coco/dino-4scale_composite-internimage-h_o365-pre_64xb1-20k_'
            'coco.py',
            {'CompositeDINO', 'CompositeInternImage'},
        ),
        (
            'coco/dino-4scale_internimage-g_o365-pre_64xb1-20k_coco.py',
            {'PublishedDINO', 'PublishedDINOHead'},
        ),
        (
            'ade20k/mask2former_internimage-h_coco-stuff-pre_16xb1-80k_'
            'ade20k-896x896.py',
            {'ProbabilityMask2FormerHead'},
        ),
    ],
)
def test_detectors_and_segmentors_of_configs(config, names):
    model = building.build_model(shrink(read_config(config)))
    built = {
        base.__name__
        for module in model.modules()
        for base in type(module).__mro__
    }
    assert names <= built


def test_the_old_likelihood_says_what_to_take():
    with pytest.raises(ValueError, match=r'Categorical.*Contrast'):
        MODELS.build(dict(type='m3i_mm.Boltzmann', temperature=0.1))


def test_optimizer_wrappers():
    model = torch.nn.Linear(2, 1)
    for name in ELSEWHERE['OPTIM_WRAPPERS']:
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        settings = dict(type=f'm3i_mm.{name}', optimizer=optimizer)
        wrapper = registry.OPTIM_WRAPPERS.build(settings)
        assert wrapper.get_lr()['lr'] == [1.0]
    schedule = registry.PARAM_SCHEDULERS.build(
        dict(
            type='m3i_mm.WarmupCosineLR', optimizer=optimizer, warmup=2, end=4
        )
    )
    schedule.step()
    assert 0 < schedule.get_last_value()[0] < 1


def test_zero_counts_steps_as_deepspeed_does():
    """Its engine is stood in for: it is the engine that updates."""

    class Engine:
        calls = 0

        def step(self):
            assert not torch.is_grad_enabled()
            self.calls += 1

    optimizer = torch.optim.SGD(torch.nn.Linear(2, 1).parameters(), lr=1.0)
    wrapper = registry.OPTIM_WRAPPERS.build(
        dict(
            type='m3i_mm.ZeroOptimWrapper',
            optimizer=optimizer,
            accumulative_counts=3,
        )
    )
    wrapper.model = Engine()
    wrapper.step()
    assert wrapper.model.calls == 1
    assert wrapper._accumulative_counts == 3


def test_pixels_are_averaged_in_cells():
    images = torch.rand(2, 3, 12, 8)
    backbone = MODELS.build(dict(type='m3i_mm.PixelFeatures', size=4))
    (features,) = backbone(images)
    assert not list(backbone.parameters())
    cells = features.view(2, 3, 4, 4)
    for row in range(4):
        for column in range(4):
            cell = images[..., 3 * row : 3 * row + 3, 2 * column :][..., :2]
            torch.testing.assert_close(
                cells[..., row, column], cell.mean((2, 3))
            )


def test_hidden_patches_are_painted_for_any_backbone():
    mask = MODELS.build(
        dict(
            type='m3i_mm.PatchMask',
            patch_size=4,
            pattern=dict(type='UniformMask', ratio=0.5),
            fill=dict(type='FillPixels', value=7.0),
        )
    )
    images = torch.rand(2, 3, 8, 8)
    (step,) = mask(SimpleNamespace(view=lambda number: images))
    hidden = step.members[0].hidden.cells  # (B, 2, 2)
    assert hidden.flatten(1).sum(1).tolist() == [2, 2]
    for image in range(2):
        for row in range(8):
            for column in range(8):
                pixel = step.images[image, :, row, column]
                if hidden[image, row // 4, column // 4]:
                    assert pixel.tolist() == [7.0] * 3
                else:
                    expected = images[image, :, row, column]
                    assert torch.equal(pixel, expected)


def write_pictures(folder, names):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, suffix=path.suffix, channels=3))


def pack(archive, names):
    with tarfile.open(archive, 'w') as file:
        for number, name in enumerate(names):
            content = picture(number, suffix='.png', channels=3)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


def read_all(source):
    return [
        sample
        for chunk in range(len(source.chunk_sizes))
        for sample in source.read_chunk(chunk)
    ]


@pytest.fixture
def sources(tmp_path):
    """A small source of every kind, by class."""
    write_pictures(tmp_path / 'folder', ['cat/0.png', 'dog/0.png'])
    write_pictures(tmp_path / 'imagenet/train', ['n0/0.png', 'n1/0.png'])
    write_pictures(tmp_path / 'paired', ['00/1.png', '00/2.png'])
    (tmp_path / 'paired/00/1.txt').write_text('a cat')
    (tmp_path / 'paired/00/1.json').write_text(json.dumps(dict(label=3)))
    (tmp_path / 'tars').mkdir()
    pack(tmp_path / 'tars/n01.tar', ['a.png', 'b.png'])
    pack(tmp_path / 'tars/n02.tar', ['c.png'])
    (tmp_path / 'shards').mkdir()
    write_shards(tmp_path / 'shards')
    rows = ['image,text', 'cat/0.png,a cat', 'dog/0.png,a dog']
    (tmp_path / 'folder/list.csv').write_text('\n'.join(rows))
    return dict(
        ClassTarsSource=dict(root=str(tmp_path / 'tars')),
        ImageFolderSource=dict(root=str(tmp_path / 'folder')),
        ImageNetSource=dict(root=str(tmp_path / 'imagenet'), num_classes=2),
        ImageTextListSource=dict(path=str(tmp_path / 'folder/list.csv')),
        PairedFilesSource=dict(root=str(tmp_path / 'paired')),
        ShardSource=dict(urls=str(tmp_path / 'shards/*.tar.gz')),
    )


COUNTS = dict(
    ClassTarsSource=3,
    ImageFolderSource=2,
    ImageNetSource=2,
    ImageTextListSource=2,
    PairedFilesSource=2,
    ShardSource=26,
)


@pytest.mark.parametrize('name', COUNTS)
def test_sources_and_the_data_sets_on_them(name, sources):
    settings = dict(sources[name], type=f'm3i_mm.{name}')
    source = DATASETS.build(settings)
    samples = read_all(source)
    assert len(samples) == len(source) == COUNTS[name]
    dataset = dict(
        type='m3i_mm.SourceDataset',
        source=settings,
        pipeline=[dict(type='m3i_mm.DecodeImage')],
    )
    mixture = DATASETS.build(
        dict(type='m3i_mm.MixtureDataset', datasets=[dataset, dataset])
    )
    assert len(mixture) == 2 * COUNTS[name]
    pictures = [DATASETS.build(dataset)[i]['img'] for i in range(2)]
    assert all(pixels.shape[:2] == (24, 20) for pixels in pictures)


def test_archives_of_classes_give_pictures_and_labels(sources):
    settings = dict(sources['ClassTarsSource'], type='m3i_mm.ClassTarsSource')
    source = DATASETS.build(settings)
    assert source.classes == ['n01', 'n02']
    samples = read_all(source)
    assert [s['sample_key'] for s in samples] == [
        'n01/a.png',
        'n01/b.png',
        'n02/c.png',
    ]
    assert [s['fields']['label'] for s in samples] == [0, 0, 1]
    for sample, number in zip(samples, (0, 1, 0), strict=True):
        expected = picture(number, suffix='.png', channels=3)
        assert sample['img_bytes'] == expected


def test_files_beside_a_picture_are_its_fields(sources):
    settings = sources['PairedFilesSource']
    source = DATASETS.build(dict(settings, type='m3i_mm.PairedFilesSource'))
    first, second = read_all(source)
    assert first['fields'] == dict(text='a cat', label=3)
    assert second['fields'] == {}


@pytest.mark.parametrize(
    ('name', 'classes'),
    [('NYUDepthV2Dataset', 40), ('MapillaryAsCityscapes', 19)],
)
def test_segmentation_sets(name, classes, tmp_path):
    importlib.import_module('m3i_mm.datasets.segmentation')
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(
            dict(
                type=f'm3i_mm.{name}',
                data_root=str(tmp_path),
                lazy_init=True,
                pipeline=[],
            )
        )
    assert len(dataset.metainfo['classes']) == classes


def test_a_pre_training_and_its_sampler(tmp_path):
    write_shards(tmp_path)
    cfg = Config.fromfile(ROOT / 'tests/toy/m3i.py')
    source = cfg.train_dataloader.dataset.source
    source.urls = str(tmp_path / source.urls)
    model = building.build_model(cfg)
    assert type(model).__name__ == 'M3I'
    assert type(model.momentum_encoder).__name__ == 'MomentumEncoder'
    loader = building.build_loader(cfg)
    assert type(loader.batch_sampler).__name__ == 'StreamBatchSampler'
    assert len(next(iter(loader))['inputs']) == 2


@pytest.mark.parametrize('loop', ['CheckEpochLoop', 'CheckIterLoop'])
def test_loops_of_a_check(loop, toy_config):
    length = dict(max_epochs=1) if 'Epoch' in loop else dict(max_iters=2)
    toy_config.train_cfg = dict(type=f'm3i_mm.{loop}', **length)
    toy_config.param_scheduler = None
    toy_config.experiment_name = loop
    runner = building.build_runner(toy_config)
    runner.train()
    assert type(runner.train_loop).__name__ == loop
    assert any('reads back' in line for line in runner.train_loop.lines)


def test_the_loop_of_frozen_features(tmp_path):
    cfg = Config(squares.toy_config(tmp_path, experiment_name='squares'))
    runner = building.build_runner(cfg)
    assert type(runner.build_test_loop(cfg.test_cfg)).__name__ == (
        'FeatureEvalLoop'
    )


def test_the_constructor_of_layer_decay():
    constructor = registry.OPTIM_WRAPPER_CONSTRUCTORS.build(
        dict(
            type='m3i_mm.LayerDecayOptimWrapperConstructor',
            optim_wrapper_cfg=dict(
                type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0)
            ),
            paramwise_cfg=dict(layer_decay_rate=0.5),
        )
    )
    model = torch.nn.Module()
    model.backbone = MODELS.build(dict(type='m3i_mm.InternImage', arch=SMALL))
    rates = {group['lr'] for group in constructor(model).param_groups}
    assert len(rates) > 2


def test_pictures_with_time_and_place(tmp_path):
    importlib.import_module('m3i_mm.datasets.inaturalist')
    content = dict(
        images=[dict(file_name='a.jpg')],
        annotations=[dict(category_id=7)],
        categories=[dict(id=3, name='owl'), dict(id=7, name='frog')],
    )
    (tmp_path / 'train.json').write_text(json.dumps(content))
    facts = [dict(date='2014-03-25', lat=90.0, lon=1.0)]
    (tmp_path / 'places.json').write_text(json.dumps(facts))
    dataset = DATASETS.build(
        dict(
            type='m3i_mm.INaturalist2018',
            data_root=str(tmp_path),
            ann_file='train.json',
            locations_file='places.json',
            pipeline=[],
        )
    )
    sample = dataset[0]
    assert sample['gt_label'] == 1
    assert sample['time'] == pytest.approx([1, 0, 0, 0])
    assert sample['place'] == pytest.approx([0, 0, 1])
