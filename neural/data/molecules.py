"""Molecules of QM9 as padded graphs: they come inside the package qm9pack, and rdkit
reads their bonds.

Source: Ramakrishnan et al., "Quantum chemistry structures and properties of 134 kilo
molecules", 2014; without the 3,054 that failed its consistency check.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neural.data.files import check_file, find_package

SIZE = 130_831  # molecules, roughly from small to large
FEATURES = 11
BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
_ELEMENTS = (1, 6, 7, 8, 9)
_ORBITALS = ("SP", "SP2", "SP3")
# How many atoms the largest of the first so many molecules has: known beforehand, so
# that the shape of a run needs no data.
_LARGEST = {53: 14, 220: 17, 1_065: 20, 5_643: 23, 41_015: 26, SIZE: 29}
_PARTS = {  # files, and their SHA-256 in version 1.0.3
    "qm9_part1.csv": "19f0a5d595462d52cd82eef3370f3e9eb55a1f52cb14985657200349568deff3",
    "qm9_part2.csv": "2bca113fdc0b28a13563c80ed9b240e934f3da6c64c64fe74ddb4f0f36036e61",
    "qm9_part3.csv": "9c5efb5733d2af149db8d95d36ff198b4ffed12d9f7b344220a1e5877d5c6a43",
}
_COLUMNS = {"SMILES": "U40", "Polarizability_bohr3": "f8"}


@dataclass(frozen=True, eq=False)
class Graphs:
    """M molecules, padded to A atoms each; 0 where there is no atom. The order of
    atoms means nothing: rdkit's, not that of the published geometries.

    Attributes:
        atoms: float32 (M, A, 11): one-hot H, C, N, O, F; atomic number; whether
            aromatic; one-hot sp, sp2, sp3 (of hydrogen none); neighbours that are
            hydrogen.
        bonds: float32 (M, A, A, 4), symmetric: one-hot single, double, triple,
            aromatic.
        present: bool (M, A), where there is an atom.
        polarisability: float64 (M,), isotropic, in bohr^3 (B3LYP, 6-31G(2df,p)).
    """

    atoms: NDArray[np.float32]
    bonds: NDArray[np.float32]
    present: NDArray[np.bool_]
    polarisability: NDArray[np.float64]


def largest(first: int) -> int:
    """Atoms of the largest of the `first` so many molecules, or one or two more."""
    return next(atoms for molecules, atoms in _LARGEST.items() if first <= molecules)


def graphs(numbers: NDArray[np.int64], first: int) -> Graphs:
    """The molecules with these numbers (M,), below `first`, padded to the largest of
    the `first` so many.

    Raises:
        ConfigError: they are not there, or damaged; the message says what to do.
    """
    found = read_qm9(first)[numbers]
    A, M = largest(first), len(numbers)
    atoms, bonds = np.zeros((M, A, FEATURES), np.float32), np.zeros((M, A, A, len(BONDS)), np.float32)
    present = np.zeros((M, A), np.bool_)
    for m, smiles in enumerate(found["SMILES"]):
        here, between = graph(str(smiles))
        n = len(here)
        atoms[m, :n], bonds[m, :n, :n], present[m, :n] = here, between, True
    return Graphs(atoms, bonds, present, found["Polarizability_bohr3"])


@cache
def graph(smiles: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Atoms (n, 11) and bonds (n, n, 4) of one molecule, hydrogens among them, as
    PyTorch Geometric's QM9 has them.
    """
    from rdkit import Chem

    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    n = molecule.GetNumAtoms()
    atoms, bonds = np.zeros((n, FEATURES), np.float32), np.zeros((n, n, len(BONDS)), np.float32)
    for atom in molecule.GetAtoms():
        atoms[atom.GetIdx()] = [
            *(atom.GetAtomicNum() == element for element in _ELEMENTS),
            atom.GetAtomicNum(),
            atom.GetIsAromatic(),
            *(atom.GetHybridization().name == orbital for orbital in _ORBITALS),
            sum(other.GetAtomicNum() == 1 for other in atom.GetNeighbors()),
        ]
    for bond in molecule.GetBonds():
        one, other = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonds[[one, other], [other, one], BONDS.index(bond.GetBondType().name)] = 1
    return atoms, bonds


@cache
def read_qm9(first: int) -> NDArray:
    """SMILES and polarisability of the `first` so many molecules, as a structured
    array; of the package's 225 MB only the files that these take are checked, and only
    their lines are parsed.

    Raises:
        ConfigError: they are not there, or damaged.
    """
    parts, left = [], first
    for name, sha256 in _PARTS.items():
        if left:
            path = folder() / name
            check_file("pool", path, sha256)
            with path.open(encoding="utf-8") as file:
                names = file.readline().strip().split(",")
                columns = [names.index(column) for column in _COLUMNS]
                # SMILES have #, which is no comment
                form: dict[str, Any] = {"delimiter": ",", "quotechar": '"', "comments": None, "usecols": columns}
                parts.append(np.loadtxt(file, list(_COLUMNS.items()), max_rows=left, ndmin=1, **form))
            left -= len(parts[-1])
    return np.concatenate(parts)


def folder() -> Path:
    """Where qm9pack's files are.

    Raises:
        ConfigError: a package is not installed.
    """
    wanted = "`pool` must be molecules that are there, but"
    find_package("rdkit", wanted, "rdkit", "molecules")
    return find_package("qm9pack", wanted, "qm9pack", "molecules") / "data"
