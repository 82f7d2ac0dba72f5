"""Which keys something reads at a place of a configuration, as far as signatures tell."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.mixing import Mixing

#: Mappings whose keys are free: patterns of parameter names, names of metrics.
FREE_MAPPINGS = frozenset({"custom_keys", "metric_options"})
#: What is read of groups that no class stands for, by place. From MMEngine 0.10.7's Runner and
#: DefaultOptimWrapperConstructor, and MMAction2 1.2.0's recognizers.
READ_KEYS = {
    "auto_scale_lr": {"enable", "base_batch_size"},
    "effective_weights": {"beta", "cap"},
    "env_cfg": {"cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"},
    "env_cfg.mp_cfg": {"mp_start_method", "opencv_num_threads"},
    "optim_wrapper.paramwise_cfg": {
        "custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "dwconv_decay_mult", "flat_decay_mult",
        "bypass_duplicate", "dcn_offset_lr_mult", "layer_decay",
    },
    "model.test_cfg": {"max_testing_views", "fcn_test", "feature_extraction", "num_segs"},
}  # fmt: skip
#: What is read of the whole configuration beside the Runner's parameters: by MMEngine's Runner, and by ours.
TOP_KEYS = {
    "model_wrapper_cfg", "find_unused_parameters", "compile", "activation_checkpointing", "efficient_conv_bn_eval",
    "sync_bn",
    "cpu_threads", "class_weights", "effective_weights", "save_every", "extended_from", "channels_last",
}  # fmt: skip
#: What is read beside the parameters of the class.
EXTRA_KEYS = {
    "optim_wrapper": {"constructor", "paramwise_cfg"},
    "train_cfg": {"by_epoch"},
    "train_dataloader": {"num_batch_per_epoch"},
    "val_dataloader": {"num_batch_per_epoch"},
    "test_dataloader": {"num_batch_per_epoch"},
}
#: What MMEngine builds where a configuration gives no type.
DEFAULT_TYPES = {
    "optim_wrapper": "OptimWrapper",
    "train_cfg": "EpochBasedTrainLoop",
    "val_cfg": "ValLoop",
    "test_cfg": "TestLoop",
    "visualizer": "Visualizer",
    "log_processor": "LogProcessor",
    "train_dataloader": "torch.utils.data.DataLoader",
    "val_dataloader": "torch.utils.data.DataLoader",
    "test_dataloader": "torch.utils.data.DataLoader",
    "randomness": "mmengine.runner.Runner.set_randomness",
    "env_cfg.dist_cfg": "torch.distributed.init_process_group",
    "optim_wrapper.clip_grad": "torch.nn.utils.clip_grad_norm_",
}
#: Types that their owner looks up by itself; they are in no registry.
UNREGISTERED_TYPES = {
    "resnet3d": "mmaction.models.backbones.resnet3d_slowfast.ResNet3dPathway",
    "norm": "torch.nn.utils.clip_grad_norm_",
    "value": "torch.nn.utils.clip_grad_value_",
}


def list_known_keys(node: Any, path: Sequence[str], *, type_name: Any = None) -> set[str] | None:
    """Return the keys that something reads at a place; None where any key may stand.

    Args:
        node: what the configuration holds there; None if nothing.
        path: the keys that lead there.
        type_name: what the `type` there is about to become, if it is.
    """
    prepare_mmaction()
    if isinstance(node, Sequence) and not isinstance(node, str):
        # A tuple, or a list of plain values, is given as a whole.
        groups = [str(index) for index, inner in enumerate(node) if isinstance(inner, Mapping)]
        return set(groups) if isinstance(node, list) else set()
    if node is not None and not isinstance(node, Mapping):
        return set()
    known = set(node or ())
    if not path:
        return known | TOP_KEYS | _list_parameters("mmengine.runner.Runner") - {"type", "cfg"}
    place = ".".join(path)
    if place == "clip":
        return {field.name for field in dataclasses.fields(ClipSpec)} - {"classes"}
    if path[-1] == "mixing":
        return {field.name for field in dataclasses.fields(Mixing)}
    if path[-1] == "augment":
        return {field.name for field in dataclasses.fields(Augmentation)}
    if path[-1] in FREE_MAPPINGS:
        return None
    if path[-2:-1] == ["custom_keys"]:
        return known | {"lr_mult", "decay_mult"}
    if place in READ_KEYS:
        return known | READ_KEYS[place]
    type_name = type_name or (node or {}).get("type") or DEFAULT_TYPES.get(place)
    if type_name is None:
        # A group that a class takes as it comes: what it may hold is known only from what it does hold.
        return known or None
    extra = EXTRA_KEYS.get(place, set()) | _list_extra_keys(path)
    return known | extra | _list_parameters(type_name)


def _list_extra_keys(path: Sequence[str]) -> set[str]:
    if path[0] == "param_scheduler":
        return {"convert_to_iter_based"}
    return {"requires_grad"} if path[-1] == "norm_cfg" else set()


def _list_parameters(type_name: Any) -> set[str]:
    """Return the parameters of a class's constructor, and of its bases' where it passes on `**kwargs`."""
    found = _find_class(type_name) if isinstance(type_name, str) else type_name
    names: set[str] = {"type"}
    if not callable(found):
        return names
    for owner in inspect.getmro(found) if isinstance(found, type) else (found,):
        target = vars(owner).get("__init__") if isinstance(owner, type) else owner
        if target is None or owner is object:
            continue
        parameters = inspect.signature(target).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


def _find_class(type_name: str) -> Any:
    """Return what MMEngine would build for `type=type_name`; None if it is unknown."""
    import mmaction.registry
    import mmaction.utils
    import mmengine.registry
    from mmengine.utils import get_object_from_string

    mmaction.utils.register_all_modules(init_default_scope=False)
    importlib.import_module("thermalctl.pipeline.thermal_hdf5")  # registers the guide's dataset
    name = type_name.removeprefix("mmaction.").removeprefix("mmengine.")
    for registries in (mmaction.registry, mmengine.registry):
        for registry in vars(registries).values():
            if isinstance(registry, mmengine.registry.Registry) and name in registry.module_dict:
                return registry.module_dict[name]
    dotted = UNREGISTERED_TYPES.get(type_name, type_name)
    return get_object_from_string(dotted) if "." in dotted else None
