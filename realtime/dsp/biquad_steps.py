"""One step of six biquads, written as LLVM code: every section and channel is a lane.

Lane (5-k) C + c is section k of channel c of C, in direct form I, whose only recursion a step is
one multiplication and one addition. At rest every section goes without its b0, and the first one's
input gets the gain of the whole: four multiplications a step, where what moves needs five.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils

from realtime.dsp.intrinsics import pulled, vector_muladd

SECTIONS = 6
LANES = 8  # a channel's room in a row: the next power of two

# Rows of the lane matrices. Coefficients b0 b1 b2 -a1 -a2, and their change a frame; at rest the
# gain of the whole, b1 / b0, b2 / b0, -a1, -a2. The state is the last two inputs and outputs of
# each lane.
KEPT, COEFS = 4, 5
_X1, _X2, _Y1, Y2 = range(KEPT)
_F64, I64, _I32 = ir.DoubleType(), ir.IntType(64), ir.IntType(32)


def _order(indices):
    return ir.Constant(ir.VectorType(_I32, len(indices)), [_I32(i) for i in indices])


class Lanes:
    """Emits steps of all lanes over a block: what the runs of biquad_lanes have in common.

    A value of all lanes is a list of vectors: of eight lanes and, in stereo, of four. Every section
    works `lag` steps behind the one before it.
    """

    def __init__(self, context, builder, sig, args, width, ramped, lag):
        self._context, self.builder, self.width, self.lag = context, builder, width, lag
        self._row_lanes = LANES * width
        self._parts = (8, 4) if width == 2 else (8,)
        self._frame = ir.VectorType(ir.FloatType(), width)
        arrays = [context.make_array(sig.args[i])(context, builder, args[i]) for i in range(4)]
        self._x, self._memory = arrays[0].data, [array.data for array in arrays]
        self.frames = builder.extract_value(arrays[0].shape, 0)
        self._coefs = [self.variable(self.load(1, i)) for i in range(COEFS)]
        self._ramped = ramped
        self.kept = [self.variable(self.load(3, i)) for i in range(KEPT)]

    def _pointers(self, argument, index):
        for part, lanes in enumerate(self._parts):
            place = I64(index * self._row_lanes + part * self._parts[0])
            pointer = self.builder.gep(self._memory[argument], [place])
            yield self.builder.bitcast(pointer, ir.VectorType(_F64, lanes).as_pointer())

    def load(self, argument, index):
        """A row of an argument."""
        return [self.builder.load(place, align=8) for place in self._pointers(argument, index)]

    def store(self, value, argument, index):
        """Write a row of an argument."""
        for vector, place in zip(value, self._pointers(argument, index), strict=True):
            self.builder.store(vector, place, align=8)

    def variable(self, value):
        """A slot that holds this value."""
        slot = [cgutils.alloca_once(self.builder, vector.type) for vector in value]
        self.put([value], [slot])
        return slot

    def zero(self):
        """0 in all lanes."""
        return [ir.Constant(ir.VectorType(_F64, lanes), None) for lanes in self._parts]

    def get(self, slot):
        """What a slot holds."""
        return [self.builder.load(part) for part in slot]

    def put(self, values, slots):
        """Fill slots with values."""
        for value, slot in zip(values, slots, strict=True):
            for vector, part in zip(value, slot, strict=True):
                self.builder.store(vector, part)

    def each(self, function, *values):
        """What a function of vectors makes of each part."""
        return [function(*vectors) for vectors in zip(*values, strict=True)]

    def constant(self, of_section):
        """int64 that are, in each lane, this function of its section."""
        found, first = [], 0
        for lanes in self._parts:
            sections = [SECTIONS - 1 - lane // self.width for lane in range(first, first + lanes)]
            numbers = [I64(of_section(section)) for section in sections]
            found.append(ir.Constant(ir.VectorType(I64, lanes), numbers))
            first += lanes
        return found

    def splat(self, number):
        """int64 that are this number in all lanes."""
        found = []
        for lanes in self._parts:
            one = ir.Constant(ir.VectorType(I64, lanes), ir.Undefined)
            one = self.builder.insert_element(one, number, _I32(0))
            found.append(self.builder.shuffle_vector(one, one, _order([0] * lanes)))
        return found

    def choose(self, chosen, value, other):
        """value where chosen, other elsewhere, lane by lane."""
        return self.each(self.builder.select, chosen, value, other)

    def _samples(self, frame):
        pointer = self.builder.gep(self._x, [self.builder.mul(frame, I64(self.width))])
        return self.builder.bitcast(pointer, self._frame.as_pointer())

    def _shifted(self, value, fresh):
        """What each section hears: what the one before it gave, the first one a frame."""
        shuffle, any_ = self.builder.shuffle_vector, ir.Constant(fresh.type, ir.Undefined)
        if self.width == 1:
            fresh = shuffle(fresh, any_, _order([0] * 8))
            return [shuffle(value[0], fresh, _order([1, 2, 3, 4, 5, 8, 6, 7]))]
        low, high = value
        wide = shuffle(high, ir.Constant(high.type, ir.Undefined), _order(range(8)))
        fresh = shuffle(fresh, any_, _order(range(4)))
        low = pulled(self._context, self.builder, low, wide, 6)
        return [low, shuffle(high, fresh, _order(range(2, 6)))]

    def heard(self, first, count):
        """So many frames from `first` on, 1 or even, one by one as the first section hears them."""
        builder, at_once = self.builder, min(count, 2)
        size, found = at_once * self.width, []
        for i in range(0, count, at_once):
            place = self._samples(builder.add(first, I64(i)))
            place = builder.bitcast(place, ir.VectorType(ir.FloatType(), size).as_pointer())
            v = builder.fpext(builder.load(place, align=4), ir.VectorType(_F64, size))
            if not self._ramped:
                gain = self.get(self._coefs[0])[0]
                gain = builder.shuffle_vector(gain, gain, _order([0] * size))
                v = builder.fmul(gain, v)
            for j in range(0, size, self.width):
                found.append(builder.shuffle_vector(v, v, _order(range(j, j + self.width))))
        return found

    def silence(self):
        """A frame of nothing."""
        return ir.Constant(ir.VectorType(_F64, self.width), None)

    def step(self, fresh, late):
        """One step, given the frame that the first section hears and what each section gave `lag`
        steps ago; the outputs, and the state behind them."""
        builder = self.builder
        v = self._shifted(late, fresh)
        b0, b1, b2, a1, a2 = (self.get(slot) for slot in self._coefs)
        before = [self.get(slot) for slot in self.kept]
        # In this order v has the time of `lag` steps, and the last outputs that of two and of one.
        out = self.each(builder.fmul, b2, before[_X2])
        out = self.each(self._muladd, b1, before[_X1], out)
        if self._ramped:
            out = self.each(self._muladd, b0, v, out)
        else:
            out = self.each(builder.fadd, v, out)
        for factor, value in ((a2, before[Y2]), (a1, before[_Y1])):
            out = self.each(self._muladd, factor, value, out)
        # Slopes are loaded anew each step: there are registers for them or for coefficients.
        for i, slot in enumerate(self._coefs if self._ramped else ()):
            self.put([self.each(builder.fadd, self.get(slot), self.load(2, i))], [slot])
        return out, [v, before[_X1], out, before[_Y1]]

    def _muladd(self, factor, value, more):
        function = vector_muladd(self.builder.module, _F64, more.type.count)
        return self.builder.call(function, [factor, value, more])

    def emit(self, frame, out):
        """Write what the last section gave."""
        done = self.builder.shuffle_vector(out[0], out[0], _order(range(self.width)))
        self.builder.store(self.builder.fptrunc(done, self._frame), self._samples(frame), align=4)
