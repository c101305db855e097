class Modular:
    name="modular"
    class Config: pass
