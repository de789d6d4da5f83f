"""Faults of what is read of a checkpoint, of what is refused, and of what is said of the rest."""

from tests.mutants import Mutant

CHECKPOINT, FORMATS = "compressibility.audit.checkpoint", "compressibility.audit.formats"
TEST = "tests/compressibility/audit/test_checkpoint.py::test"
NAMED, OLD = f"{TEST}_code_is_refused_by_name", f"{TEST}_the_old_format_makes_no_room_by_shape"

MUTANTS = [
    Mutant(
        "whatever a pickle asks for is left to PyTorch",
        FORMATS,
        "need(bool(plain), ",
        "need(True, ",
        NAMED,
    ),
    Mutant(
        "unsafe loading",
        FORMATS,
        "weights_only=True, mmap",
        "weights_only=False, mmap",
        f"{TEST}_loading_is_safe_by_itself",
    ),
    Mutant(
        "storages of any size",
        FORMATS,
        'need(size == found, f"{size} bytes in storage {key}", found)',
        "pass",
        f"{TEST}_a_storage_is_no_larger_than_its_bytes",
    ),
    Mutant(
        "shapes of any size",
        FORMATS,
        'need(fits, f"offset, shape and strides within {entries} entries", given[1:4])',
        "pass",
        OLD,
    ),
    Mutant(
        "the last entry of a shape is one before its end",
        FORMATS,
        "reach = offset + 1 + sum",
        "reach = offset + sum",
        f"{TEST}_the_last_entry_lies_in_the_storage",
    ),
    Mutant(
        "tuples count as one part",
        FORMATS,
        'if op.name.startswith("TUPLE") else 1',
        'if op.name.startswith("TUPLE") and step < 0 else 1',
        f"{TEST}_tuples_are_bounded",
    ),
    Mutant(
        "TorchScript as a state dict",
        FORMATS,
        'need(f"{top}/constants.pkl" not in members, ',
        "need(True, ",
        f"{TEST}_torchscript_is_refused",
    ),
    Mutant(
        "archives that grow without end",
        FORMATS,
        "_ROOM + _GROWTH * packed if",
        "math.inf if",
        f"{TEST}_packed_arrays_are_bounded",
    ),
    Mutant(
        "no room for zeros that pack well",
        FORMATS,
        "_ROOM, _GROWTH = 2**28, 20",
        "_ROOM, _GROWTH = 2**18, 20",
        f"{TEST}_packed_arrays_are_bounded",
    ),
    Mutant(
        "one stored value is unfolded to all entries",
        FORMATS,
        "value.numel() * value.itemsize > value.untyped_storage().nbytes()",
        "value.numel() < 0",
        f"{TEST}_one_value_for_many_is_told",
    ),
    Mutant(
        "tensors in lists are left out",
        FORMATS,
        "isinstance(value, dict | list | tuple) or",
        "isinstance(value, dict) or",
        f"{TEST}_containers_are_flattened",
    ),
    Mutant(
        "external data read from where the process runs",
        FORMATS,
        "to_array(tensor, str(path.parent))",
        'to_array(tensor, str(path.parent / ".."))',
        f"{TEST}_external_data_stay_in_the_folder",
    ),
    Mutant(
        "constants of a graph go uncounted",
        FORMATS,
        'if node.op_type == "Constant"',
        'if node.op_type == "Konstant"',
        f"{TEST}_constants_of_a_graph_are_counted",
    ),
    Mutant(
        "the last of the same tensors is the first",
        CHECKPOINT,
        "self._firsts.setdefault(one._found[1], one)",
        "self._firsts[one._found[1]] = self[-1]",
        f"{TEST}_tied_tensors_are_told_once",
    ),
    Mutant(
        "no tensor is looked at for another that is the same",
        CHECKPOINT,
        "alone = len(self._alike) == 1",
        "alone = True",
        f"{TEST}_tied_tensors_are_told_once",
    ),
    Mutant(
        "infinity passes",
        CHECKPOINT,
        "math.isfinite(float(end)) for end",
        "not math.isnan(float(end)) for end",
        f"{TEST}_infinity_is_told",
    ),
    Mutant(
        "a look at a tensor gives the file's own memory",
        CHECKPOINT,
        "copy=True",
        "copy=False",
        f"{TEST}_a_tensor_is_a_copy",
    ),
    Mutant(
        "any dtype becomes any other",
        CHECKPOINT,
        'need(fits, f"a dtype that {self.dtype} fits into", dtype)',
        "pass",
        f"{TEST}_upcasts",
    ),
    Mutant(
        "states of an optimizer are weights",
        CHECKPOINT,
        "if _OPTIMIZER.search(self.name):",
        "if not self.name:",
        f"{TEST}_containers_are_flattened",
    ),
    Mutant(
        "one axis is a matrix",
        CHECKPOINT,
        "if len(self.shape) < 2:",
        "if len(self.shape) < 1:",
        f"{TEST}_formats_agree",
    ),
]
